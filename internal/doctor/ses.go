package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/ses"
)

// busyQuota is the part of the daily quota from which on it is running out.
const busyQuota = 0.8

// sesFacts are what SES returned.
type sesFacts struct {
	account  answer[ses.AccountState]
	identity answer[ses.IdentityState]
	set      answer[ses.SetState]
}

func (f *facts) readSES(ctx context.Context) (func(), error) {
	client := f.options.SES
	var c clock
	c.begin(f.options.Now)
	s := sesFacts{account: ask(client.Account(ctx))}
	err := s.account.err
	c.end(f.options.Now, s.account.value.Now, time.Second, err)
	switch {
	case errors.Is(err, ses.ErrCredentials):
		return nil, &refusedError{err, "No email is sent.", "Correct the AWS credentials of this environment (AWS_ACCESS_KEY_ID, AWS_PROFILE or the role), and the clock."}
	case err != nil && !errors.Is(err, ses.ErrDenied):
		return nil, err
	}
	s.identity = ask(client.Identity(ctx))
	if client.ConfigurationSet() != "" {
		s.set = ask(client.ReadSet(ctx))
	}
	return func() {
		f.ses = s
		if s.account.value.ResponseHasNow {
			f.clocks[SES] = c
		}
	}, nil
}

func sesReachable(*facts) Result { return ok("accepts the credentials") }

// accountResult returns the result of a check of an account that could not be read.
func (f *facts) accountResult() (Result, bool) { return unreadSES(f.ses.account.err) }

func unreadSES(err error) (Result, bool) {
	switch {
	case err == nil:
		return Result{}, false
	case errors.Is(err, ses.ErrDenied):
		return notChecked("%s; it is needed only here", oneLine(err)), true
	default:
		return failed(err), true
	}
}

func sandbox(f *facts) Result {
	if r, unread := f.accountResult(); unread {
		return r
	}
	if !f.ses.account.value.Production {
		return problem("the account is in the sandbox of its region", "SES sends only to verified addresses: customers get no email.",
			"Request production access: aws sesv2 put-account-details --production-access-enabled ...")
	}
	return ok("the account is out of the sandbox")
}

func sending(f *facts) Result {
	if r, unread := f.accountResult(); unread {
		return r
	}
	switch a := f.ses.account.value; {
	case !a.Sending:
		return problem("sending is not enabled for the account", "No email is sent.", "aws sesv2 put-account-sending-attributes --sending-enabled, or what AWS Support asks for")
	case a.Enforcement != "HEALTHY":
		return warning("the account is under review: "+a.Enforcement, "SES may stop sending.", "Read the email that AWS sent about it, and fix bounces and complaints.")
	default:
		return ok("sending is enabled")
	}
}

func quota(f *facts) Result {
	if r, unread := f.accountResult(); unread {
		return r
	}
	a := f.ses.account.value
	if a.DailyQuota >= 0 && a.SentToday >= a.DailyQuota*busyQuota {
		return warning(fmt.Sprintf("%s of %s emails were sent in 24 hours", number(a.SentToday), number(a.DailyQuota)), "Emails beyond the quota wait.",
			"Request a higher sending quota in AWS Service Quotas.")
	}
	return ok("%s of %s emails were sent in 24 hours", number(a.SentToday), number(a.DailyQuota))
}

func sesRate(f *facts) Result {
	if r, unread := f.accountResult(); unread {
		return r
	}
	limit, allowed := f.temporal.emailLimit.value, f.ses.account.value.MaxRate
	if f.down[Temporal] != nil || f.skipped[Temporal] != "" || f.temporal.emailLimit.err != nil || limit == nil {
		return notChecked("the account may send %s emails per second; the rate of the email queue is not known", number(allowed))
	}
	if rate := float64(limit.GetRequestsPerSecond()); rate > allowed {
		return warning(fmt.Sprintf("the email queue sends up to %s per second, and the account may send %s", number(rate), number(allowed)),
			"What exceeds the account's rate is throttled.", rateCommand(number(allowed)))
	}
	return ok("the account may send %s emails per second, and the email queue sends no more", number(allowed))
}

func identity(f *facts) Result {
	i, err := f.ses.identity.value, f.ses.identity.err
	if errors.Is(err, ses.ErrNotFound) {
		return problem("neither the address in EMAIL_FROM nor its domain is an identity of the account", "SES refuses every email.",
			"aws sesv2 create-email-identity --email-identity DOMAIN, then publish the DNS records that it returns")
	}
	if r, unread := unreadSES(err); unread {
		return r
	}
	if !i.Verified {
		return problem("the identity of EMAIL_FROM is not verified: "+i.Name, "SES refuses every email.", "Publish the DNS records that aws sesv2 get-email-identity shows.")
	}
	return ok("the identity of EMAIL_FROM is verified: %s", i.Name)
}

func dkim(f *facts) Result {
	i, err := f.ses.identity.value, f.ses.identity.err
	switch {
	case errors.Is(err, ses.ErrNotFound):
		return notChecked("there is no identity")
	case err != nil:
		r, _ := unreadSES(err)
		return r
	case !i.DKIMSigned || i.DKIM != "SUCCESS":
		return warning("emails are not signed with DKIM: "+i.DKIM, "Large providers reject or file them as spam.",
			"Publish the CNAME records that aws sesv2 get-email-identity shows, and enable signing.")
	default:
		return ok("emails are signed with DKIM")
	}
}

func configurationSet(f *facts) Result {
	name := f.options.SES.ConfigurationSet()
	if name == "" {
		return notChecked("EMAIL_CONFIGURATION_SET is not set, so bounces are not reported")
	}
	if errors.Is(f.ses.set.err, ses.ErrNotFound) {
		return problem("there is no configuration set "+name, "SES refuses every email.",
			"aws sesv2 create-configuration-set --configuration-set-name "+name+", or correct EMAIL_CONFIGURATION_SET")
	}
	if r, unread := unreadSES(f.ses.set.err); unread {
		return r
	}
	if !f.ses.set.value.Sending {
		return problem("sending is disabled for configuration set "+name, "SES refuses every email.",
			"aws sesv2 put-configuration-set-sending-options --configuration-set-name "+name+" --sending-enabled")
	}
	return ok("configuration set %s exists", name)
}
