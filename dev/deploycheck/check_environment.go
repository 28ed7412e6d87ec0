package main

import (
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// environment returns a container's variables with their values.
func (c *checker) environment(container corev1.Container) map[string]string {
	variables := map[string]string{}
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil {
			continue
		}
		if found := find(c.configMaps, from.ConfigMapRef.Name); found != nil {
			maps.Copy(variables, found.Data)
		}
	}
	for _, variable := range container.Env {
		variables[variable.Name] = variable.Value
	}
	return variables
}

// checkEnvironment checks that every variable is documented, that secrets come as files,
// and that each file that a variable names is one of a mounted secret.
func (c *checker) checkEnvironment(w workload, container corev1.Container) {
	where := w.name + ", container " + container.Name
	for _, from := range container.EnvFrom {
		if from.SecretRef != nil || from.ConfigMapRef == nil {
			c.fault(where, "envFrom may name ConfigMaps only: secrets are mounted as files")
			continue
		}
		if find(c.configMaps, from.ConfigMapRef.Name) == nil {
			c.fault(where, "ConfigMap %s is not among the objects", from.ConfigMapRef.Name)
		}
	}
	for _, variable := range container.Env {
		if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
			c.fault(where, "%s is a secret in the environment: mount it as a file", variable.Name)
		}
	}
	environment := c.environment(container)
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if !c.documents(name) {
			c.fault(where, "%s does not list %s", configurationPage, name)
		}
		if value := environment[name]; strings.HasPrefix(value, "/") {
			c.checkFile(where, name, value, w, container)
		}
	}
	if addr := environment["OPS_ADDR"]; !w.job && !slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool {
		return p.Name == "ops" && addr == ":"+strings.TrimSpace(portOf(p))
	}) {
		c.fault(where, "OPS_ADDR %q is not the port ops", addr)
	}
}

// checkFile checks that a file is a key of a secret that is mounted there.
func (c *checker) checkFile(where, variable, file string, w workload, container corev1.Container) {
	for _, mount := range container.VolumeMounts {
		if mount.MountPath != path.Dir(file) {
			continue
		}
		for _, volume := range w.pod.Spec.Volumes {
			if volume.Name != mount.Name || volume.Secret == nil {
				continue
			}
			if slices.Contains(c.secrets[volume.Secret.SecretName], path.Base(file)) {
				return
			}
		}
	}
	c.fault(where, "%s names %s, which no mounted secret has", variable, file)
}

// checkReferences checks the volumes.
func (c *checker) checkReferences(w workload) {
	volumes := map[string]bool{}
	for _, volume := range w.pod.Spec.Volumes {
		volumes[volume.Name] = true
		if volume.Secret == nil {
			c.fault(w.name, "volume %s is no secret: the binaries need no other", volume.Name)
		} else if _, ok := c.secrets[volume.Secret.SecretName]; !ok {
			c.fault(w.name, "%s does not list secret %s", readme, volume.Secret.SecretName)
		}
	}
	for _, container := range w.pod.Spec.Containers {
		for _, mount := range container.VolumeMounts {
			if !volumes[mount.Name] || !mount.ReadOnly {
				c.fault(w.name, "mount %s must be read-only and name a volume", mount.Name)
			}
		}
	}
}
