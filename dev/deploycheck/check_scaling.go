package main

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/intstr"
)

// The names that the manifests share with the worker.
const (
	ordersQueue = "order-fulfillment"
	gate        = "DeploymentGate"
)

// checkBudget checks that exactly one budget covers the pods of a daemon, and that it
// lets a node be drained while all replicas run.
func (c *checker) checkBudget(w workload) {
	covered := 0
	for _, b := range c.budgets {
		where := "PodDisruptionBudget " + b.Name
		covers := func(s workload) bool { return s.name == w.name }
		if b.Spec.Selector == nil || !slices.ContainsFunc(c.selected(where, b.Spec.Selector), covers) {
			continue
		}
		covered++
		evictable := 0
		switch {
		case b.Spec.MaxUnavailable != nil:
			evictable, _ = intstr.GetScaledValueFromIntOrPercent(b.Spec.MaxUnavailable, int(w.replicas), false)
		case b.Spec.MinAvailable != nil:
			available, _ := intstr.GetScaledValueFromIntOrPercent(b.Spec.MinAvailable, int(w.replicas), true)
			evictable = int(w.replicas) - available
		}
		if evictable < 1 || evictable >= int(w.replicas) {
			c.fault(where, "of %d replicas of %s it lets %d be evicted: it must be one at least, and not all",
				w.replicas, w.name, evictable)
		}
	}
	switch {
	case w.job && covered > 0:
		c.fault(w.name, "a budget covers it, and so keeps its node from being drained until it ends")
	case !w.job && covered != 1:
		c.fault(w.name, "%d budgets cover it: without one a drain takes all replicas, and a pod with two cannot be evicted",
			covered)
	}
}

// checkScaling checks that KEDA scales a Deployment that exists, by the backlog of the
// orders' queue alone.
func (c *checker) checkScaling() {
	for _, s := range c.scaledObjects {
		where := "ScaledObject " + s.Name
		target := ""
		if s.Spec.ScaleTargetRef != nil {
			target = s.Spec.ScaleTargetRef.Name
		}
		if d := find(c.deployments, target); d == nil {
			c.fault(where, "Deployment %q is not among the objects", target)
		} else if d.Spec.Replicas != nil {
			c.fault(where, "Deployment %s sets replicas: each time it is applied it would undo KEDA's", target)
		}
		if s.Spec.MinReplicaCount == nil || s.Spec.MaxReplicaCount == nil || *s.Spec.MinReplicaCount < 1 ||
			*s.Spec.MinReplicaCount > *s.Spec.MaxReplicaCount {
			c.fault(where, "it needs minReplicaCount, at least 1, and a maxReplicaCount that is no less")
		}
		for _, trigger := range s.Spec.Triggers {
			if queue := trigger.Metadata["taskQueue"]; trigger.Type != "temporal" || queue != ordersQueue {
				c.fault(where, "trigger %s of queue %q: only the backlog of %s says that workers are missing",
					trigger.Type, queue, ordersQueue)
			}
			if trigger.AuthenticationRef != nil {
				c.checkAuthentication(where, trigger.AuthenticationRef.Name)
			}
		}
	}
}

func (c *checker) checkAuthentication(where, name string) {
	found := false
	for _, a := range c.authentications {
		if a.Name != name {
			continue
		}
		found = true
		for _, ref := range a.Spec.SecretTargetRef {
			if !slices.Contains(c.secrets[ref.Name], ref.Key) {
				c.fault("TriggerAuthentication "+name, "%s lists no key %s of secret %s", readme, ref.Key, ref.Name)
			}
		}
	}
	if !found {
		c.fault(where, "TriggerAuthentication %s is not among the objects", name)
	}
}

// checkWorkerDeployments checks that versions pass the gate, and that no Deployment runs
// workers outside of them.
func (c *checker) checkWorkerDeployments() {
	for _, d := range c.workerDeployments {
		where := "WorkerDeployment " + d.Name
		if len(d.Name) > 47 {
			c.fault(where, "its name is longer than 47 characters, which a version's Deployment is cut to")
		}
		if g := d.Spec.Rollout.Gate; g == nil || g.WorkflowType != gate {
			c.fault(where, "its gate must be the workflow %s", gate)
		}
		if d.Spec.Rollout.Strategy == "Progressive" && len(d.Spec.Rollout.Steps) == 0 {
			c.fault(where, "a progressive rollout needs steps")
		}
		if name := d.Spec.WorkerOptions.ConnectionRef.Name; find(c.connections, name) == nil {
			c.fault(where, "Connection %s is not among the objects", name)
		}
		const component = "app.kubernetes.io/component"
		for _, other := range c.deployments {
			if other.Spec.Template.Labels[component] == d.Spec.Template.Labels[component] {
				c.fault(where, "Deployment %s runs workers without a version, which get no tasks once a version is current",
					other.Name)
			}
		}
	}
	for _, connection := range c.connections {
		if ref := connection.Spec.MutualTLSSecretRef; ref != nil && !slices.Contains(c.secrets[ref.Name], "tls.crt") {
			c.fault("Connection "+connection.Name, "%s lists no key tls.crt of secret %s", readme, ref.Name)
		}
	}
}

// checkTemplates checks that each version gets an autoscaler, whose number of replicas no
// other manifest sets.
func (c *checker) checkTemplates() {
	for i, t := range c.templates {
		where := "WorkerResourceTemplate " + t.Name
		if d := find(c.workerDeployments, t.Spec.WorkerDeploymentRef.Name); d == nil {
			c.fault(where, "WorkerDeployment %s is not among the objects", t.Spec.WorkerDeploymentRef.Name)
		} else if d.Spec.Replicas != nil {
			c.fault(where, "the WorkerDeployment sets replicas, which the controller would restore after each scaling")
		}
		if a := c.autoscalers[i]; a.Kind != "HorizontalPodAutoscaler" || a.Name != "" || a.Spec.ScaleTargetRef.Name != "" {
			c.fault(where, "its template must be a HorizontalPodAutoscaler, without a name and with an empty scaleTargetRef, "+
				"which the controller fills in")
		}
	}
}
