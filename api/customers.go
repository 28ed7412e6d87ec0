package main

import (
	"net/http"
	"net/url"

	"orderflow/internal/failpoint"
	"orderflow/internal/order"
)

type newCustomer struct {
	CustomerID string      `json:"customerId"`
	Limit      order.Money `json:"limit"`
}

type newLimit struct {
	Limit order.Money `json:"limit"`
}

// postCustomer opens a credit account. It responds with 201 for a new account and with
// 200 for a repeated request.
func (a *api) postCustomer(w http.ResponseWriter, r *http.Request) error {
	customer, err := decode[newCustomer](w, r)
	if err != nil {
		return err
	}
	if !order.ValidIdentifier(customer.CustomerID) {
		return badField("customerId", order.ErrInvalidIdentifier.Error())
	}
	if customer.CustomerID == "." || customer.CustomerID == ".." { // these cannot be part of a URL path
		return badField("customerId", "must not be . or ..")
	}
	concernsCustomer(r, customer.CustomerID)
	failpoint.Hit("api.open.before")
	opened, err := a.accounts.Open(r.Context(), customer.CustomerID, customer.Limit)
	if err != nil {
		return err
	}
	failpoint.Hit("api.open.after")
	w.Header().Set("Location", "/customers/"+url.PathEscape(customer.CustomerID))
	if !opened {
		return writeJSON(w, http.StatusOK, customer)
	}
	return writeJSON(w, http.StatusCreated, customer)
}

// putCreditLimit changes the credit limit. Reserved amounts stay reserved.
func (a *api) putCreditLimit(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	concernsCustomer(r, id)
	body, err := decode[newLimit](w, r)
	if err != nil {
		return err
	}
	failpoint.Hit("api.limit.before")
	if _, err := a.accounts.ChangeLimit(r.Context(), id, body.Limit); err != nil {
		return err
	}
	failpoint.Hit("api.limit.after")
	return writeJSON(w, http.StatusOK, newCustomer{CustomerID: id, Limit: body.Limit})
}

func customerID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !order.ValidIdentifier(id) {
		return "", badField("id", order.ErrInvalidIdentifier.Error())
	}
	return id, nil
}
