package ses

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// OpenAt opens a Mailer that calls endpoint and ignores the process's environment, which
// tests share.
func OpenAt(ctx context.Context, c Config, endpoint string) (*Mailer, error) {
	return open(ctx, c,
		awsconfig.WithRegion("eu-west-1"),
		awsconfig.WithBaseEndpoint(endpoint),
		awsconfig.WithCredentialsProvider(credentials.NewStaticCredentialsProvider("id", "secret", "")),
	)
}

// OpenWithoutCredentials opens a Mailer that cannot get credentials.
func OpenWithoutCredentials(ctx context.Context, c Config, endpoint string) (*Mailer, error) {
	return open(ctx, c,
		awsconfig.WithRegion("eu-west-1"),
		awsconfig.WithBaseEndpoint(endpoint),
		awsconfig.WithCredentialsProvider(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("no credentials for jane.doe@example.com")
		})),
	)
}

// LetterRefusals returns the texts that fail an email.
func LetterRefusals() []string { return letterRefusals() }

// OrderTag and OrderID are the two directions of the order's tag.
func OrderTag(id string) string { return orderTag(id) }

// OrderID returns the order id of a tag.
func OrderID(tag string) (string, bool) { return orderID(tag) }
