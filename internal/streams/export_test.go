package streams

// Waiting returns how many requests for an account wait for the group that is being decided.
func (a *CreditAccounts) Waiting(customerID string) int {
	a.requests.mu.Lock()
	defer a.requests.mu.Unlock()
	if queue := a.requests.queues[customerID]; queue != nil {
		return len(queue.waiting)
	}
	return 0
}
