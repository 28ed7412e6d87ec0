package main

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func portOf(p corev1.ContainerPort) string { return strconv.Itoa(int(p.ContainerPort)) }

// checkServices checks that each Service selects pods that have its ports.
func (c *checker) checkServices() {
	for _, s := range c.services {
		where := "Service " + s.Name
		selected := c.selected(where, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})
		if len(selected) == 0 || len(s.Spec.Selector) == 0 {
			c.fault(where, "it selects no pods")
		}
		for _, port := range s.Spec.Ports {
			c.checkPort(where, port.TargetPort, selected)
		}
	}
}

// checkPort checks that every workload has a port.
func (c *checker) checkPort(where string, port intstr.IntOrString, workloads []workload) {
	for _, w := range workloads {
		has := slices.ContainsFunc(w.pod.Spec.Containers, func(container corev1.Container) bool {
			return port.Type == intstr.String && hasPort(container, port.StrVal) ||
				slices.ContainsFunc(container.Ports, func(p corev1.ContainerPort) bool { return portOf(p) == port.String() })
		})
		if !has {
			c.fault(where, "%s has no port %s", w.name, port.String())
		}
	}
}

// checkPolicies checks that everything is denied that no policy allows, and that every
// policy concerns pods that exist.
func (c *checker) checkPolicies() {
	denied := false
	for _, p := range c.policies {
		where := "NetworkPolicy " + p.Name
		selected := c.selected(where, &p.Spec.PodSelector)
		if len(selected) == 0 {
			c.fault(where, "it selects no pods")
		}
		everything := len(p.Spec.PodSelector.MatchLabels)+len(p.Spec.PodSelector.MatchExpressions) == 0
		bothWays := slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) &&
			slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
		denied = denied || everything && bothWays && len(p.Spec.Ingress)+len(p.Spec.Egress) == 0
		for _, rule := range p.Spec.Ingress {
			if len(rule.From) == 0 {
				c.fault(where, "it lets everyone in")
			}
			for _, port := range rule.Ports {
				c.checkPort(where, *port.Port, selected)
			}
		}
		for _, rule := range p.Spec.Egress {
			if len(rule.Ports) == 0 {
				c.fault(where, "it lets pods out to every port")
			}
		}
	}
	if !denied {
		c.fault("NetworkPolicy", "none denies all pods everything, in both directions")
	}
}
