package sessim

import "strings"

// addressFault returns what is wrong with an address, in the words of JavaMail, which the
// real service uses to parse addresses. It returns "" for a valid address, with or
// without a display name.
func addressFault(s string) string {
	if start := strings.LastIndexByte(s, '<'); start >= 0 {
		inner, closed := strings.CutSuffix(s[start+1:], ">")
		if !closed {
			return "Missing '>'"
		}
		s = inner
	}
	if s == "" {
		return "Empty address"
	}
	if len(s) > maxAddress {
		return "Illegal address"
	}
	if strings.HasPrefix(s, `"`) {
		return quotedFault(s)
	}
	local, domain, found := strings.Cut(s, "@")
	if fault := localFault(local); fault != "" {
		return fault
	}
	if !found {
		return "Missing final '@domain'"
	}
	return domainFault(domain)
}

// quotedFault is addressFault for an address whose local part is quoted.
func quotedFault(s string) string {
	end := strings.IndexByte(s[1:], '"')
	if end < 0 {
		return `Missing '"'`
	}
	domain, found := strings.CutPrefix(s[1+end+1:], "@")
	if !found {
		return "Quote not at end of local address"
	}
	return domainFault(domain)
}

func localFault(local string) string {
	switch {
	case local == "":
		return "Missing local name"
	case strings.HasPrefix(local, "."):
		return "Local address starts with dot"
	case strings.HasSuffix(local, "."):
		return "Local address ends with dot"
	case strings.Contains(local, ".."):
		return "Local address contains dot-dot"
	case strings.ContainsFunc(local, controlOrSpace): // includes non-ASCII characters
		return "Local address contains control or whitespace"
	case strings.ContainsAny(local, `"<>()[],:;\`):
		return "Local address contains illegal character"
	default:
		return ""
	}
}

func domainFault(domain string) string {
	switch {
	case domain == "":
		return "Missing domain"
	case strings.HasPrefix(domain, "[") && strings.HasSuffix(domain, "]"):
		return ""
	case strings.HasPrefix(domain, "."):
		return "Domain starts with dot"
	case strings.HasSuffix(domain, "."):
		return "Domain ends with dot"
	case strings.Contains(domain, ".."):
		return "Domain contains dot-dot"
	case strings.ContainsFunc(domain, controlOrSpace):
		return "Domain contains control or whitespace"
	case strings.ContainsFunc(domain, func(r rune) bool { return !strings.ContainsRune(hostCharacters, r) }):
		return "Domain contains illegal character"
	default:
		return ""
	}
}

const hostCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-."

func controlOrSpace(r rune) bool { return r <= ' ' || r > '~' }
