package eventcatalog

import (
	"fmt"
	"strings"

	"orderflow/internal/order"
)

// The parcels of the examples.
const (
	firstParcel  = `{"carrier":"DHL","trackingNumber":"JD014601","lines":[{"line":1,"quantity":1}]}`
	secondParcel = `{"carrier":"DHL","trackingNumber":"JD014602","lines":[{"line":2,"quantity":3}]}`
	restParcel   = `{"carrier":"DHL","trackingNumber":"JD014600"}`
)

// withParcels adds the parcels to the data and to the images of an event. They are
// required in what only an order of several parcels has.
func withParcels(needed func(string, *Schema) member, e Event) Event {
	lines := needed("lines", array("What it contains. Missing if that is all that was left of an order whose lines are erased.", 1, 500,
		object("", required("line", whole("The number of the order's line, from 1.", 1, 500)),
			required("quantity", whole("How many pieces of it.", 1, 1_000_000)))))
	add := func(to *Schema, list member) {
		to.Properties[list.name] = list.schema
		if list.required {
			to.Required = append(to.Required, list.name)
		}
	}
	parcels := func(lines member) *Schema {
		return array("The parcels so far, if the order ships in several.", 1, order.MaxParcels,
			object("", required("carrier", words("Its carrier.")), required("trackingNumber", words("The carrier's number for it.")), lines))
	}
	add(e.Data, needed("parcels", parcels(lines)))
	add(e.Data.Properties["new"], needed("parcels", parcels(lines)))
	lines.required = true // the last parcel alone may lack them
	add(e.Data.Properties["old"], optional("parcels", parcels(lines)))
	return e
}

// parcelExample returns the event of the last of some parcels.
func parcelExample(status order.Status, parcels ...string) string {
	event := fulfillmentExample(status, "", "", true)
	before, after, _ := strings.Cut(event, `,"new":`)
	add := func(object, close string, parcels []string) string {
		return strings.TrimSuffix(object, close) + `,"parcels":[` + strings.Join(parcels, ",") + "]" + close
	}
	if earlier := parcels[:len(parcels)-1]; len(earlier) > 0 {
		before = add(before, "}", earlier)
	}
	before = strings.Replace(before, `"revision":1`, fmt.Sprintf(`"parcels":[%s],"revision":%d`, strings.Join(parcels, ","), len(parcels)), 1)
	return before + `,"new":` + add(after, "}}", parcels)
}
