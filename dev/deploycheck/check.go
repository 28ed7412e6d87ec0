package main

import (
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// check decodes rendered manifests and returns how many objects there are, and every
// fault found in them.
func check(rendered []byte, f facts) (int, error) {
	m, err := decode(rendered)
	if err != nil {
		return 0, err
	}
	c := &checker{manifests: m, facts: f}
	c.checkObjects()
	for _, w := range c.workloads() {
		c.checkPod(w)
		for _, container := range w.pod.Spec.Containers {
			c.checkContainer(w, container)
			c.checkEnvironment(w, container)
		}
		c.checkReferences(w)
		c.checkBudget(w)
	}
	c.checkServices()
	c.checkPolicies()
	c.checkScaling()
	c.checkWorkerDeployments()
	c.checkTemplates()
	return len(m.objects), errors.Join(c.faults...)
}

// checker collects faults.
type checker struct {
	*manifests
	facts
	faults []error
}

func (c *checker) fault(where, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("  %s: %s", where, fmt.Sprintf(format, args...)))
}

// workload is what runs pods.
type workload struct {
	name     string // kind and name
	pod      corev1.PodTemplateSpec
	replicas int32 // at least; 0 for a job
	job      bool
}

func (w workload) labels() labels.Set { return w.pod.Labels }

// workloads returns everything that runs pods. Its replicas are the fewest that an
// autoscaler leaves.
func (c *checker) workloads() []workload {
	var found []workload
	for _, d := range c.deployments {
		replicas := int32(1)
		if d.Spec.Replicas != nil {
			replicas = *d.Spec.Replicas
		}
		for _, s := range c.scaledObjects {
			if s.Spec.ScaleTargetRef != nil && s.Spec.ScaleTargetRef.Name == d.Name && s.Spec.MinReplicaCount != nil {
				replicas = *s.Spec.MinReplicaCount
			}
		}
		found = append(found, workload{name: "Deployment " + d.Name, pod: d.Spec.Template, replicas: replicas})
	}
	for _, d := range c.workerDeployments {
		found = append(found, workload{name: "WorkerDeployment " + d.Name, pod: d.Spec.Template, replicas: c.replicasOf(d)})
	}
	for _, j := range c.jobs {
		found = append(found, workload{name: "Job " + j.Name, pod: j.Spec.Template, job: true})
	}
	for _, j := range c.cronJobs {
		found = append(found, workload{name: "CronJob " + j.Name, pod: j.Spec.JobTemplate.Spec.Template, job: true})
	}
	return found
}

// replicasOf returns the fewest replicas of a version.
func (c *checker) replicasOf(d *workerDeployment) int32 {
	for i, t := range c.templates {
		if t.Spec.WorkerDeploymentRef.Name == d.Name && c.autoscalers[i].Spec.MinReplicas != nil {
			return *c.autoscalers[i].Spec.MinReplicas
		}
	}
	if d.Spec.Replicas != nil {
		return *d.Spec.Replicas
	}
	return 1
}

// selected returns the workloads whose pods a selector matches.
func (c *checker) selected(where string, selector *metav1.LabelSelector) []workload {
	matching, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		c.fault(where, "its selector is invalid: %v", err)
		return nil
	}
	return slices.DeleteFunc(c.workloads(), func(w workload) bool { return !matching.Matches(w.labels()) })
}

// find returns the object of a name, or nil.
func find[T any, P interface {
	*T
	metav1.Object
}](list []*T, name string) *T {
	for _, object := range list {
		if P(object).GetName() == name {
			return object
		}
	}
	return nil
}

// checkObjects finds objects outside the namespace, and Deployments that do not select
// their own pods.
func (c *checker) checkObjects() {
	for _, object := range c.objects {
		_, isNamespace := object.(*corev1.Namespace)
		if !isNamespace && find(c.namespaces, object.GetNamespace()) == nil {
			c.fault(object.GetName(), "its namespace %q is not among the objects", object.GetNamespace())
		}
	}
	for _, d := range c.deployments {
		where := "Deployment " + d.Name
		if found := c.selected(where, d.Spec.Selector); len(found) != 1 || found[0].name != where {
			c.fault(where, "its selector must match its own pods and no others")
		}
		if d.Spec.RevisionHistoryLimit == nil {
			c.fault(where, "revisionHistoryLimit is missing")
		}
	}
}
