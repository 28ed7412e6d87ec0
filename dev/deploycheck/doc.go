// Deploycheck renders the Kubernetes manifests of deploy/kubernetes as kustomize does,
// decodes every object strictly into its Go type, and checks what the API server would
// accept and a platform team would not: references that lead nowhere, disruption budgets
// that block a drain, settings that do not exist.
//
// Unknown and duplicate fields are errors. The types are those of k8s.io/api and of KEDA.
// The Worker Controller's module is not served by Go's module proxy, so temporal.go
// declares the fields that the manifests use. A cluster is not needed, and nothing here
// replaces one: admission, defaults and the controllers' behavior are not checked.
//
// It is a module of its own, which the product's go.mod knows nothing of.
package main
