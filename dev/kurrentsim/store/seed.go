package store

import "github.com/google/uuid"

// seed writes what a fresh server has in its log before the first client connects: its
// users and the rights on their streams. Some clients rely on the log never being empty.
func (s *Store) seed() error {
	tx := s.begin()
	for _, name := range []string{"admin", "ops"} {
		account := "$user-" + name
		tx.add(metastream(account), metadataEvent([]byte(`{"$acl":{"$r":"`+name+`","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}}`)))
		tx.add(account, systemEvent("$UserCreated", `{"loginName":"`+name+`","disabled":false}`))
		tx.add("$users", systemEvent("$User", `"`+name+`"`))
		tx.add("$user-password-notifications", systemEvent("$PasswordChanged", `{"loginName":"`+name+`"}`))
	}
	tx.add("$settings", systemEvent("$Settings", `{}`))
	tx.add("$scavenges", systemEvent("$ScavengeInitialized", `{}`))
	s.mu.Lock()
	t, err := tx.write()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.settle(t)
}

func systemEvent(eventType, data string) NewEvent {
	return NewEvent{ID: uuid.New(), Type: eventType, JSON: true, Data: []byte(data)}
}
