package ses

import (
	"cmp"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	texttemplate "text/template"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

//go:embed templates
var embedded embed.FS

// fallback is the language of emails to customers whose language there is no template of.
const fallback = "en"

const (
	maxLanguages    = 100
	maxTemplateFile = 256 << 10 // bytes
	maxRendered     = 1 << 20   // bytes of a sample
)

// standard are the templates of this package. Parsing them for each email would take three
// percent of a busy worker's time.
var standard = mustLoad()

// Templates are the templates of all languages. It is safe for concurrent use.
type Templates struct {
	languages map[string]map[email.Kind]template
}

// template is the parsed templates of one kind of email.
type template struct {
	text *texttemplate.Template
	html *htmltemplate.Template
}

func mustLoad() *Templates {
	t, err := LoadTemplates("")
	if err != nil {
		panic(err) // they are part of the program, and its tests load them
	}
	return t
}

// LoadTemplates reads the templates of a folder, or only those of this package if dir is
// empty. The folder has a subfolder for each language, called like de or pt-br, with files
// called like confirmation.txt.tmpl, confirmation.html.tmpl and layout.txt.tmpl. A file
// takes the place of the one of this package; a language that this package does not have
// needs all of them. Each email is rendered once with samples. The error is a *config.Error
// with every fault.
func LoadTemplates(dir string) (*Templates, error) {
	base, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	sources := []fs.FS{base}
	if dir != "" {
		sources = append(sources, os.DirFS(dir))
	}
	l := templateLoader{files: map[string]string{}}
	for _, source := range sources {
		l.read(source)
	}
	t := l.parse()
	if len(l.faults) == 0 {
		l.check(t)
	}
	if len(l.faults) > 0 {
		return nil, &config.Error{Faults: l.faults}
	}
	return t, nil
}

// Languages returns the languages in alphabetical order.
func (t *Templates) Languages() []string {
	var all []string
	for language := range t.languages {
		all = append(all, language)
	}
	slices.Sort(all)
	return all
}

// find returns the templates of a language or, one subtag after the other, of the language
// without its last subtag.
func (t *Templates) find(language string) map[email.Kind]template {
	for language = strings.ToLower(language); language != ""; {
		if found, ok := t.languages[language]; ok {
			return found
		}
		language = language[:max(0, strings.LastIndexByte(language, '-'))]
	}
	return t.languages[fallback]
}

// templateLoader reads, parses and checks templates, and collects what is wrong with them.
type templateLoader struct {
	languages []string
	files     map[string]string // by LANGUAGE/NAME
	faults    []config.Fault
}

func (l *templateLoader) fault(format string, args ...any) {
	l.faults = append(l.faults, config.Fault{Name: "EMAIL_TEMPLATES", Problem: fmt.Sprintf(format, args...)})
}

var languagePattern = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$`)

// read reads the files of a source over those that are there. An unknown name is a fault,
// because a mistyped one would never be used.
func (l *templateLoader) read(source fs.FS) {
	folders, err := fs.ReadDir(source, ".")
	if err != nil {
		l.fault("must be a folder that can be read")
		return
	}
	for _, folder := range folders {
		switch language := folder.Name(); {
		case strings.HasPrefix(language, "."): // such as the links of a mounted ConfigMap
		case !folder.IsDir() && folder.Type()&fs.ModeSymlink == 0 || !languagePattern.MatchString(language):
			l.fault("%s: must be a folder called like a language, such as de or pt-br", language)
		case slices.Contains(l.languages, language):
			l.readLanguage(source, language)
		case len(l.languages) >= maxLanguages:
			l.fault("must have at most %d languages", maxLanguages)
			return
		default:
			l.languages = append(l.languages, language)
			l.readLanguage(source, language)
		}
	}
}

func (l *templateLoader) readLanguage(source fs.FS, language string) {
	entries, err := fs.ReadDir(source, language)
	if err != nil {
		l.fault("%s: must be a folder that can be read", language)
		return
	}
	known := templateNames()
	for _, entry := range entries {
		name := path.Join(language, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if !slices.Contains(known, entry.Name()) {
			l.fault("%s: must be one of %s", name, strings.Join(known, ", "))
			continue
		}
		info, err := fs.Stat(source, name)
		if err == nil && info.Size() > maxTemplateFile {
			l.fault("%s: must have at most %d bytes", name, maxTemplateFile)
			continue
		}
		content, err := fs.ReadFile(source, name)
		if err != nil {
			l.fault("%s: must be a file that can be read", name)
			continue
		}
		l.files[name] = string(content)
	}
}

// templateNames returns the names of a language's files.
func templateNames() []string {
	names := []string{"layout.txt.tmpl", "layout.html.tmpl"}
	for _, kind := range email.Kinds() {
		names = append(names, string(kind)+".txt.tmpl", string(kind)+".html.tmpl")
	}
	return names
}

func (l *templateLoader) parse() *Templates {
	t := &Templates{languages: map[string]map[email.Kind]template{}}
	for _, language := range l.languages {
		t.languages[language] = map[email.Kind]template{}
		for _, kind := range email.Kinds() {
			text, html := texttemplate.New(string(kind)), htmltemplate.New(string(kind))
			complete := l.parseInto(language, "layout.txt.tmpl", func(s string) error { _, err := text.Parse(s); return err })
			complete = l.parseInto(language, string(kind)+".txt.tmpl", func(s string) error { _, err := text.Parse(s); return err }) && complete
			complete = l.parseInto(language, "layout.html.tmpl", func(s string) error { _, err := html.Parse(s); return err }) && complete
			complete = l.parseInto(language, string(kind)+".html.tmpl", func(s string) error { _, err := html.Parse(s); return err }) && complete
			if complete {
				t.languages[language][kind] = template{text: text, html: html}
			}
		}
	}
	slices.SortFunc(l.faults, func(a, b config.Fault) int { return cmp.Compare(a.Problem, b.Problem) })
	l.faults = slices.Compact(l.faults) // a layout is parsed for each kind
	return t
}

func (l *templateLoader) parseInto(language, name string, parse func(string) error) bool {
	content, found := l.files[path.Join(language, name)]
	if !found {
		l.fault("%s/%s: is missing", language, name)
		return false
	}
	if err := parse(content); err != nil {
		l.fault("%s/%s: %s", language, name, clean(err.Error(), maxCause))
		return false
	}
	return true
}

// check renders each email with a letter that has everything, and with one that has
// nothing but an id.
func (l *templateLoader) check(t *Templates) {
	for _, language := range t.Languages() {
		for _, kind := range email.Kinds() {
			for _, letter := range Samples(kind, language) {
				rendered, err := t.Render(letter)
				switch {
				case err != nil:
					l.fault("%s/%s: %s", language, kind, clean(err.Error(), maxCause))
				case rendered.Subject == "" || strings.TrimSpace(rendered.Text) == "" || strings.TrimSpace(rendered.HTML) == "":
					l.fault("%s/%s: its subject, text or html is empty", language, kind)
				case len(rendered.Text)+len(rendered.HTML) > maxRendered:
					l.fault("%s/%s: a rendered email has more than %d bytes", language, kind, maxRendered)
				}
			}
		}
	}
}

// Samples returns letters of a kind for trying templates: one with everything, one with
// nothing but an id, a shipment for each place of a parcel, and a rejection for each reason.
func Samples(kind email.Kind, language string) []email.Letter {
	full := email.Letter{
		OrderID: "order-sample", Kind: kind, Attempt: 1, To: "jane.doe@example.com", Language: language, Name: "Dr Jane Doe",
		Total: order.Money{Minor: 1478_62, Currency: "USD"}, Country: "NL", AddressLines: []string{"Keizersgracht 1", "1015 CN Amsterdam"},
		Shipment: order.Shipment{Carrier: "PostNL", TrackingNumber: "3SABC123"},
	}
	for range maxLines + 1 {
		full.Lines = append(full.Lines, email.LetterLine{ProductName: "Teapot & lid", Quantity: 2, UnitPrice: "19.90"})
	}
	letters := []email.Letter{full, {OrderID: "order-sample", Kind: kind, To: "a@example.com", Language: language}}
	if kind == email.KindShipment {
		for _, parcel := range []email.Parcel{email.ParcelPart, email.ParcelLast} {
			shipped := full
			shipped.Parcel = parcel
			letters = append(letters, shipped)
		}
	}
	if kind != email.KindRejection {
		return letters
	}
	for _, reason := range []order.Reason{
		order.ReasonInsufficientCredit, order.ReasonUnknownCustomer, order.ReasonCurrencyMismatch, order.ReasonCreditDeclined, order.ReasonHoldExpired,
	} {
		rejected := full
		rejected.Reason = reason
		letters = append(letters, rejected)
	}
	return letters
}
