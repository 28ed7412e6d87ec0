package judge_test

import (
	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// publish adds the published events of every row.
func (w factSet) publish() {
	for _, o := range w.Orders {
		for i, v := range o.Versions {
			o.Published = append(o.Published, facts.Published{
				Revision: uint64(i), Version: v.Revision, Type: v.Type, Old: v.Old, New: v.New, CustomerID: customer,
				Status: v.Status, Total: hundred, Causation: o.Row.SourceEventID,
			})
		}
	}
}

// project adds the views.
func (w factSet) project() {
	w.Views[customer] = facts.CustomerView{
		Limit: money(250_00), Reserved: 300_00, Revision: int64(len(w.Account(customer).Events)) - 1,
	}
	for _, o := range w.Orders {
		if o.First() == nil {
			continue
		}
		o.View = &facts.OrderView{CustomerID: customer, Total: hundred, FulfillmentRevision: int64(len(o.Published)) - 1}
		if o.Row != nil {
			o.View.Status = o.Row.Status
			if o.Row.Status == order.StatusShipped {
				o.View.Parcels = 1
			}
		}
	}
}

func wrongPublished() []wrong {
	return []wrong{
		{"a version that was not published", func(w factSet) {
			o := w.Order(shipped)
			o.Published = o.Published[:1]
			o.View.FulfillmentRevision, o.View.Status, o.View.Parcels = 0, order.StatusFulfilling, 0
		}, []string{"published.once"}},
		{"a version that was published twice", func(w factSet) {
			o := w.Order(shipped)
			again := o.Published[1]
			again.Revision = 2
			o.Published = append(o.Published, again)
			o.View.FulfillmentRevision = 2
		}, []string{"published.once"}},
		{"versions that were published in another order", func(w factSet) {
			o := w.Order(shipped)
			o.Published[0].Version, o.Published[1].Version = 1, 0
		}, []string{"published.content", "published.once"}},
		{"an event that says something else", func(w factSet) {
			w.Order(shipped).Published[1].Total = money(1)
			w.Order(shipped).View.Total = money(1)
		}, []string{"published.content"}},
		{"an event with an address in it", func(w factSet) {
			w.Order(shipped).Published[1].Fault = "an image holds a column that is not on the list"
		}, []string{"published.content"}},
		{"an order that is put aside", func(w factSet) {
			w.SetAside = []string{shipped}
		}, []string{"published.aside"}},
		{"an order that is not put aside for a stranger's event", func(w factSet) {
			o := w.Order(shipped)
			o.Published = []facts.Published{{Type: "note-added", Foreign: true, Fault: "names another order"}}
		}, []string{"published.aside"}},
		{"a version that was published behind a stranger's event", func(w factSet) {
			w.SetAside = []string{shipped}
			w.Order(shipped).Published[0].Foreign = true
		}, []string{"published.once"}},
	}
}

func wrongViews() []wrong {
	return []wrong{
		{"a view of another number of parcels", func(w factSet) { w.Order(shipped).View.Parcels = 2 }, []string{"view.order"}},
		{"a view of other reservations", func(w factSet) {
			v := w.Views[customer]
			v.Reserved++
			w.Views[customer] = v
		}, []string{"view.customer"}},
		{"a view that lags behind", func(w factSet) {
			v := w.Views[customer]
			v.Revision--
			w.Views[customer] = v
		}, []string{"view.customer"}},
		{"a customer without a view", func(w factSet) {
			delete(w.Views, customer)
		}, []string{"view.customer"}},
		{"a view without a stream", func(w factSet) {
			w.Views["customer-2"] = facts.CustomerView{}
		}, []string{"view.customer"}},
		{"an order that the view does not have", func(w factSet) {
			w.Order(held).View = nil
		}, []string{"view.order"}},
		{"an order that the view has otherwise", func(w factSet) {
			w.Order(shipped).View.Status = order.StatusFulfilling
		}, []string{"view.order"}},
		{"an order that is counted twice", func(w factSet) {
			w.Counts = []facts.WrongCount{{Status: "shipped", Counted: 2, Orders: 1}}
		}, []string{"view.count"}},
	}
}
