package sessim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

const (
	maxAddress    = 320
	maxRecipients = 50  // the real limit
	maxTags       = 50  // the real limit
	maxTagBytes   = 256 // the real limit, of names and values
	maxHeaders    = 15  // the real limit of custom headers
	maxHeaderName = 126
	maxHeader     = 870
)

// sendRequest is the supported part of a SendEmail request.
type sendRequest struct {
	FromEmailAddress string
	Destination      struct{ ToAddresses, CcAddresses, BccAddresses []string }
	Content          struct {
		Simple        *simple
		Raw, Template json.RawMessage
	}
	ReplyToAddresses     []string
	ConfigurationSetName string
	EmailTags            []pair
}

type simple struct {
	Subject     *content
	Body        struct{ Text, Html *content }
	Headers     []pair
	Attachments []json.RawMessage
}

type content struct{ Data, Charset string }

type pair struct{ Name, Value string }

func bad(format string, args ...any) apiError {
	return apiError{http.StatusBadRequest, "BadRequestException", fmt.Sprintf(format, args...)}
}

// message validates the request as the real service does and returns the message to keep.
func (r *sendRequest) message() (Message, *apiError) {
	for _, check := range []func() string{r.checkAddresses, r.checkContent, r.checkTags, r.checkHeaders} {
		if problem := check(); problem != "" {
			refusal := bad("%s", problem)
			return Message{}, &refusal
		}
	}
	return Message{
		To:               strings.Join(r.recipients(), ", "),
		From:             r.FromEmailAddress,
		ReplyTo:          strings.Join(r.ReplyToAddresses, ", "),
		Subject:          r.Content.Simple.Subject.Data,
		Text:             r.Content.Simple.Body.Text.data(),
		HTML:             r.Content.Simple.Body.Html.data(),
		Tags:             named(r.EmailTags),
		Headers:          named(r.Content.Simple.Headers),
		ConfigurationSet: r.ConfigurationSetName,
	}, nil
}

func (r *sendRequest) recipients() []string {
	return slices.Concat(r.Destination.ToAddresses, r.Destination.CcAddresses, r.Destination.BccAddresses)
}

func (r *sendRequest) checkAddresses() string {
	if fault := addressFault(r.FromEmailAddress); fault != "" {
		return fault
	}
	recipients := r.recipients()
	if len(recipients) == 0 {
		return "Destination has no recipient."
	}
	if len(recipients) > maxRecipients {
		return fmt.Sprintf("Recipient count exceeds %d.", maxRecipients)
	}
	for _, recipient := range slices.Concat(recipients, r.ReplyToAddresses) {
		if fault := addressFault(recipient); fault != "" {
			return fault
		}
	}
	return ""
}

func (r *sendRequest) checkContent() string {
	c := r.Content
	if len(c.Raw) > 0 || len(c.Template) > 0 {
		return "The stand-in takes Content.Simple, not Raw and not Template."
	}
	if c.Simple == nil || c.Simple.Subject == nil {
		return "Content.Simple must have a subject and a body."
	}
	if len(c.Simple.Attachments) > 0 {
		return "The stand-in takes no attachments."
	}
	if c.Simple.Body.Text.data() == "" && c.Simple.Body.Html.data() == "" {
		return "The body is empty."
	}
	if strings.ContainsAny(c.Simple.Subject.Data, "\r\n\x00") {
		return "The subject must be one line."
	}
	for _, part := range []*content{c.Simple.Subject, c.Simple.Body.Text, c.Simple.Body.Html} {
		if problem := part.check(); problem != "" {
			return problem
		}
	}
	return ""
}

func (c *content) data() string {
	if c == nil {
		return ""
	}
	return c.Data
}

// check requires the sender to name the character set, because without one the real
// service accepts only 7-bit text.
func (c *content) check() string {
	if c == nil || strings.EqualFold(c.Charset, "UTF-8") {
		return ""
	}
	if c.Charset != "" && !strings.EqualFold(c.Charset, "US-ASCII") {
		return "The stand-in knows the charsets UTF-8 and US-ASCII."
	}
	if strings.ContainsFunc(c.Data, func(r rune) bool { return r > 0x7f }) {
		return "Content has characters beyond US-ASCII and names no charset."
	}
	return ""
}

func (r *sendRequest) checkTags() string {
	if len(r.EmailTags) > maxTags {
		return fmt.Sprintf("Tag count exceeds %d.", maxTags)
	}
	if len(named(r.EmailTags)) != len(r.EmailTags) {
		return "Tag names must be unique."
	}
	for _, tag := range r.EmailTags {
		if !isTag(tag.Name) || !isTag(tag.Value) {
			return "Tags must be of A-Z a-z 0-9 _ - and at most 256 characters."
		}
	}
	return ""
}

func isTag(s string) bool {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	return s != "" && len(s) <= maxTagBytes && strings.Trim(s, allowed) == ""
}

func (r *sendRequest) checkHeaders() string {
	if len(r.Content.Simple.Headers) > maxHeaders {
		return fmt.Sprintf("Header count exceeds %d.", maxHeaders)
	}
	for _, header := range r.Content.Simple.Headers {
		name := header.Name != "" && len(header.Name) <= maxHeaderName && printable(header.Name) && !strings.ContainsAny(header.Name, " :")
		if !name || header.Value == "" || len(header.Value) > maxHeader || !printable(header.Value) {
			return "A header is not printable ASCII, or too long."
		}
	}
	return ""
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

func named(pairs []pair) map[string]string {
	byName := make(map[string]string, len(pairs))
	for _, p := range pairs {
		byName[p.Name] = p.Value
	}
	return byName
}
