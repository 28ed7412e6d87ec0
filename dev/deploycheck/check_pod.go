package main

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// binaries are the programs of the image.
func binaries() []string {
	return []string{"api", "orderflow", "projector", "publisher", "starter", "worker"}
}

// binDir is where the image has them.
const binDir = "/usr/local/bin/"

// checkPod checks what the restricted pod security standard demands of a pod, its account
// and how long it may take to stop.
func (c *checker) checkPod(w workload) {
	spec, security := w.pod.Spec, w.pod.Spec.SecurityContext
	switch {
	case security == nil:
		c.fault(w.name, "the pod has no securityContext")
	case !is(security.RunAsNonRoot) || security.RunAsUser == nil || *security.RunAsUser != imageUser:
		c.fault(w.name, "the pod must run as the image's user %d, not as root", imageUser)
	case security.SeccompProfile == nil || security.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
		c.fault(w.name, "seccompProfile must be RuntimeDefault")
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
		c.fault(w.name, "no container calls Kubernetes: automountServiceAccountToken must be false")
	}
	account := find(c.accounts, spec.ServiceAccountName)
	if account == nil {
		c.fault(w.name, "ServiceAccount %q is not among the objects", spec.ServiceAccountName)
	} else if token := account.AutomountServiceAccountToken; token == nil || *token {
		c.fault(w.name, "automountServiceAccountToken of its ServiceAccount must be false")
	}
	if w.job {
		return
	}
	if len(spec.TopologySpreadConstraints) == 0 {
		c.fault(w.name, "nothing spreads its replicas over nodes")
	}
	stops := c.shutdownTimeout(w)
	for _, container := range spec.Containers {
		if l := container.Lifecycle; l != nil && l.PreStop != nil && l.PreStop.Sleep != nil {
			stops += time.Duration(l.PreStop.Sleep.Seconds) * time.Second
		}
	}
	if grace := spec.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second <= stops {
		c.fault(w.name, "terminationGracePeriodSeconds must be above SHUTDOWN_TIMEOUT and the preStop sleep, %s", stops)
	}
}

// shutdownTimeout returns SHUTDOWN_TIMEOUT of the pod.
func (c *checker) shutdownTimeout(w workload) time.Duration {
	for _, container := range w.pod.Spec.Containers {
		for name, value := range c.environment(container) {
			if timeout, err := time.ParseDuration(value); name == "SHUTDOWN_TIMEOUT" && err == nil {
				return timeout
			}
		}
	}
	c.fault(w.name, "SHUTDOWN_TIMEOUT is not set: the grace period cannot be compared with it")
	return 0
}

// checkContainer checks the image, the command, the resources and the probes.
func (c *checker) checkContainer(w workload, container corev1.Container) {
	where := w.name + ", container " + container.Name
	_, version, pinned := cutLast(container.Image, ":")
	if !pinned || version == "latest" || strings.Contains(version, "/") {
		c.fault(where, "image %s has no version: the kustomization's images must set it", container.Image)
	}
	if first := c.workloads()[0].pod.Spec.Containers[0].Image; container.Image != first {
		c.fault(where, "image %s is not the one of the other containers, %s", container.Image, first)
	}
	program, inBin := "", false
	if len(container.Command) > 0 {
		program, inBin = strings.CutPrefix(container.Command[0], binDir)
	}
	if !inBin || !slices.Contains(binaries(), program) {
		c.fault(where, "its command must begin with a program of the image in %s", binDir)
	}
	security := container.SecurityContext
	if security == nil || security.AllowPrivilegeEscalation == nil || *security.AllowPrivilegeEscalation ||
		!is(security.ReadOnlyRootFilesystem) || security.Capabilities == nil ||
		!slices.Equal(security.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(security.Capabilities.Add) > 0 {
		c.fault(where, "securityContext must drop ALL, forbid privilege escalation and make the root file system read-only")
	}
	requests, limits := container.Resources.Requests, container.Resources.Limits
	if requests.Cpu().IsZero() || requests.Memory().IsZero() || limits.Memory().IsZero() {
		c.fault(where, "it needs requests of cpu and memory, and a limit of memory")
	} else if requests.Memory().Cmp(*limits.Memory()) > 0 {
		c.fault(where, "it requests more memory than its limit")
	}
	if !w.job {
		c.checkProbe(where+", startupProbe", container, container.StartupProbe, "/healthz")
		c.checkProbe(where+", livenessProbe", container, container.LivenessProbe, "/healthz")
		c.checkProbe(where+", readinessProbe", container, container.ReadinessProbe, "/readyz")
	}
}

func (c *checker) checkProbe(where string, container corev1.Container, probe *corev1.Probe, path string) {
	if probe == nil || probe.HTTPGet == nil {
		c.fault(where, "is missing")
		return
	}
	if got, _, _ := strings.Cut(probe.HTTPGet.Path, "?"); got != path {
		c.fault(where, "must ask for %s, not %s", path, got)
	}
	port := probe.HTTPGet.Port.StrVal
	if port != "ops" || !hasPort(container, port) {
		c.fault(where, "port %s is not one of the container's, or not that of OPS_ADDR", probe.HTTPGet.Port.String())
	}
}

func hasPort(container corev1.Container, name string) bool {
	return slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
}

func is(value *bool) bool { return value != nil && *value }

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}
