package streams

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// accountCache keeps the folded accounts that were used last. An account holds every
// order it ever decided, so the orders are bounded as well as the accounts. The newest
// account stays whatever its size: without it, each decision would read a long stream.
// accountCache is safe for concurrent use.
type accountCache struct {
	mu       sync.Mutex
	accounts *simplelru.LRU[string, cachedAccount] // by customer id
	orders   int                                   // in all accounts
	limit    int                                   // of orders
}

type cachedAccount struct {
	*foldedAccount
	orders int // as counted in accountCache.orders
}

// newAccountCache returns an empty cache. Both limits must be above zero.
func newAccountCache(accounts, orders int) *accountCache {
	c := &accountCache{limit: orders}
	c.accounts, _ = simplelru.NewLRU(accounts, func(_ string, evicted cachedAccount) { c.orders -= evicted.orders })
	return c
}

// get returns the customer's account, or nil if it is not cached.
func (c *accountCache) get(customerID string) *foldedAccount {
	c.mu.Lock()
	defer c.mu.Unlock()
	found, _ := c.accounts.Get(customerID)
	return found.foldedAccount
}

// add makes account the newest one, and counts the orders it has by now.
func (c *accountCache) add(account *foldedAccount) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accounts.Remove(account.CustomerID())
	entry := cachedAccount{account, account.Decided()}
	c.accounts.Add(account.CustomerID(), entry)
	c.orders += entry.orders
	for c.orders > c.limit && c.accounts.Len() > 1 {
		c.accounts.RemoveOldest()
	}
}

func (c *accountCache) remove(customerID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accounts.Remove(customerID)
}
