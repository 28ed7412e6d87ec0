package main

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// The resources of temporal.io/v1alpha1 as the manifests use them, after version 1.8.1 of
// the Worker Controller. A field that is missing here is reported as unknown: look it up
// in the controller's API before it is added.

type workerDeployment struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		Replicas      *int32                 `json:"replicas,omitempty"`
		Template      corev1.PodTemplateSpec `json:"template"`
		WorkerOptions struct {
			ConnectionRef     nameReference `json:"connectionRef"`
			TemporalNamespace string        `json:"temporalNamespace"`
		} `json:"workerOptions"`
		Rollout struct {
			Strategy string `json:"strategy"`
			Gate     *struct {
				WorkflowType string `json:"workflowType"`
			} `json:"gate,omitempty"`
			Steps []rolloutStep `json:"steps,omitempty"`
		} `json:"rollout"`
		Sunset struct {
			ScaledownDelay metav1.Duration `json:"scaledownDelay"`
			DeleteDelay    metav1.Duration `json:"deleteDelay"`
		} `json:"sunset"`
	} `json:"spec"`
}

type rolloutStep struct {
	RampPercentage int             `json:"rampPercentage"`
	PauseDuration  metav1.Duration `json:"pauseDuration"`
}

type nameReference struct {
	Name string `json:"name"`
}

type connection struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		HostPort           string                    `json:"hostPort"`
		MutualTLSSecretRef *nameReference            `json:"mutualTLSSecretRef,omitempty"`
		APIKeySecretRef    *corev1.SecretKeySelector `json:"apiKeySecretRef,omitempty"`
	} `json:"spec"`
}

type workerResourceTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`

	Spec struct {
		WorkerDeploymentRef nameReference        `json:"workerDeploymentRef"`
		Template            runtime.RawExtension `json:"template"`
	} `json:"spec"`
}
