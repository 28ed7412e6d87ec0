package main

import (
	"errors"
	"fmt"
	"strings"

	kedav1alpha1 "github.com/kedacore/keda/v2/apis/keda/v1alpha1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// manifests are the objects of one rendered folder.
type manifests struct {
	objects []metav1.Object // all of them

	deployments       []*appsv1.Deployment
	jobs              []*batchv1.Job
	cronJobs          []*batchv1.CronJob
	workerDeployments []*workerDeployment
	connections       []*connection
	templates         []*workerResourceTemplate
	autoscalers       []*autoscalingv2.HorizontalPodAutoscaler // of the templates
	scaledObjects     []*kedav1alpha1.ScaledObject
	authentications   []*kedav1alpha1.TriggerAuthentication
	budgets           []*policyv1.PodDisruptionBudget
	policies          []*networkingv1.NetworkPolicy
	services          []*corev1.Service
	accounts          []*corev1.ServiceAccount
	configMaps        []*corev1.ConfigMap
	namespaces        []*corev1.Namespace
}

// decode reads every object into its type. A field that the type does not have, and one
// that an object has twice, is an error.
func decode(rendered []byte) (*manifests, error) {
	m := &manifests{}
	var faults []error
	for _, document := range documents(rendered) {
		content, err := yaml.YAMLToJSONStrict([]byte(document))
		if err == nil {
			err = m.add(content)
		}
		faults = append(faults, err)
	}
	for _, t := range m.templates {
		autoscaler := &autoscalingv2.HorizontalPodAutoscaler{}
		faults = append(faults, strictly(t.Spec.Template.Raw, autoscaler, t.Name))
		m.autoscalers = append(m.autoscalers, autoscaler)
	}
	return m, errors.Join(faults...)
}

// add decodes one object.
func (m *manifests) add(content []byte) error {
	var head metav1.PartialObjectMetadata
	if err := json.UnmarshalCaseSensitivePreserveInts(content, &head); err != nil {
		return err
	}
	id := head.APIVersion + " " + head.Kind
	into, ok := map[string]func() metav1.Object{
		"apps/v1 Deployment":                     func() metav1.Object { return appended(&m.deployments) },
		"batch/v1 Job":                           func() metav1.Object { return appended(&m.jobs) },
		"batch/v1 CronJob":                       func() metav1.Object { return appended(&m.cronJobs) },
		"keda.sh/v1alpha1 ScaledObject":          func() metav1.Object { return appended(&m.scaledObjects) },
		"keda.sh/v1alpha1 TriggerAuthentication": func() metav1.Object { return appended(&m.authentications) },
		"networking.k8s.io/v1 NetworkPolicy":     func() metav1.Object { return appended(&m.policies) },
		"policy/v1 PodDisruptionBudget":          func() metav1.Object { return appended(&m.budgets) },
		"temporal.io/v1alpha1 Connection":        func() metav1.Object { return appended(&m.connections) },
		"temporal.io/v1alpha1 WorkerDeployment":  func() metav1.Object { return appended(&m.workerDeployments) },
		"temporal.io/v1alpha1 WorkerResourceTemplate": func() metav1.Object {
			return appended(&m.templates)
		},
		"v1 ConfigMap":      func() metav1.Object { return appended(&m.configMaps) },
		"v1 Namespace":      func() metav1.Object { return appended(&m.namespaces) },
		"v1 Service":        func() metav1.Object { return appended(&m.services) },
		"v1 ServiceAccount": func() metav1.Object { return appended(&m.accounts) },
	}[id]
	if !ok {
		return fmt.Errorf("%s %s: this kind of object has no type here", id, head.Name)
	}
	object := into()
	m.objects = append(m.objects, object)
	return strictly(content, object, head.Kind+" "+head.Name)
}

func appended[T any](list *[]*T) *T {
	object := new(T)
	*list = append(*list, object)
	return object
}

func strictly(content []byte, into any, name string) error {
	faults, err := json.UnmarshalStrict(content, into)
	if err := errors.Join(append(faults, err)...); err != nil {
		return fmt.Errorf("%s: %s", name, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return nil
}
