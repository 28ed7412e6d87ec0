package temporalclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"
)

// Services is the part of a client that CheckNamespace needs. Every client.Client
// implements it.
type Services interface {
	WorkflowService() workflowservice.WorkflowServiceClient
	OperatorService() operatorservice.OperatorServiceClient
}

// Attribute is a search attribute that a namespace lacks or has with another type.
type Attribute struct {
	Name  string
	Want  enums.IndexedValueType
	Found enums.IndexedValueType // unspecified if the namespace has no such attribute
}

// AttributesError lists the search attributes that a namespace lacks. Only an operator
// can fix that, and nothing is wrong with the message or workflow that ran into it.
type AttributesError struct {
	Namespace  string
	Attributes []Attribute // sorted by name, at least one
}

// Error returns one line that names each attribute with its type.
func (e *AttributesError) Error() string {
	var faults []string
	for _, a := range e.Attributes {
		if a.Found == enums.INDEXED_VALUE_TYPE_UNSPECIFIED {
			faults = append(faults, fmt.Sprintf("%s (%s) is missing", a.Name, a.Want))
		} else {
			faults = append(faults, fmt.Sprintf("%s is %s and must be %s", a.Name, a.Found, a.Want))
		}
	}
	return fmt.Sprintf("search attributes of namespace %s: %s", e.Namespace, strings.Join(faults, ", "))
}

// Repair returns the command that adds what is missing. An attribute of another type has
// to be removed first, along with the values that workflows have under its name.
func (e *AttributesError) Repair() string {
	var remove, create strings.Builder
	for _, a := range e.Attributes {
		if a.Found != enums.INDEXED_VALUE_TYPE_UNSPECIFIED {
			fmt.Fprintf(&remove, " --name %s", a.Name)
		}
		fmt.Fprintf(&create, " --name %s --type %s", a.Name, a.Want)
	}
	const command = "temporal operator search-attribute"
	repair := fmt.Sprintf("%s create --namespace %s%s", command, e.Namespace, create.String())
	if remove.Len() > 0 {
		repair = fmt.Sprintf("%s remove --namespace %s%s && %s", command, e.Namespace, remove.String(), repair)
	}
	return repair
}

// CheckNamespace checks that the namespace exists and has the search attributes of want,
// whose values do not matter. It returns an *AttributesError if any is missing or has
// another type. Otherwise it wraps the server's error, such as
// *serviceerror.NamespaceNotFound or *serviceerror.PermissionDenied. Each call it makes
// is bounded by checkTimeout.
//
// It needs only the right to read the namespace. The workflow service's
// GetSearchAttributes is no alternative: it needs a right to the whole cluster, does not
// exist on Temporal Cloud, and does not know the names of attributes on an SQL store.
func CheckNamespace(ctx context.Context, s Services, namespace string, want temporal.SearchAttributes) error {
	if err := describeNamespace(ctx, s, namespace); err != nil {
		return err
	}
	found, err := listAttributes(ctx, s, namespace)
	if denied(err) {
		// Servers before 1.22 let only administrators list attributes. Every reader may
		// run a visibility query.
		found, err = probeAttributes(ctx, s, namespace, want)
	}
	if err != nil {
		return fmt.Errorf("list the search attributes of namespace %s: %w", namespace, err)
	}
	missing := &AttributesError{Namespace: namespace}
	for key := range want.GetUntypedValues() {
		a := Attribute{Name: key.GetName(), Want: key.GetValueType(), Found: found[key.GetName()]}
		if a.Found != a.Want {
			missing.Attributes = append(missing.Attributes, a)
		}
	}
	if len(missing.Attributes) == 0 {
		return nil
	}
	slices.SortFunc(missing.Attributes, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return missing
}

func describeNamespace(ctx context.Context, s Services, namespace string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := s.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("describe namespace %s: %w", namespace, err)
	}
	return nil
}

type attributeTypes = map[string]enums.IndexedValueType

func listAttributes(ctx context.Context, s Services, namespace string) (attributeTypes, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	list, err := s.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	return list.GetCustomAttributes(), err
}

// probeAttributes finds which of the attributes a query may name. It assumes the wanted
// types, because a query does not show them.
func probeAttributes(ctx context.Context, s Services, namespace string, want temporal.SearchAttributes) (attributeTypes, error) {
	found := attributeTypes{}
	for key := range want.GetUntypedValues() {
		switch err := probeAttribute(ctx, s, namespace, key.GetName()); {
		case err == nil:
			found[key.GetName()] = key.GetValueType()
		case !isKind[*serviceerror.InvalidArgument](err):
			return nil, err
		}
	}
	return found, nil
}

// probeAttribute counts by a workflow id that no order has, so the store reads an index
// and no rows. It returns InvalidArgument if the namespace does not know the attribute.
func probeAttribute(ctx context.Context, s Services, namespace, name string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	_, err := s.WorkflowService().CountWorkflowExecutions(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: namespace, Query: fmt.Sprintf("WorkflowId = 'orderflow-check' AND `%s` IS NULL", name),
	})
	return err
}

// denied reports whether the server does not let this caller make the call at all.
func denied(err error) bool {
	return isKind[*serviceerror.PermissionDenied](err) || isKind[*serviceerror.Unimplemented](err)
}

func isKind[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
