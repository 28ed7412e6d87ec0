package bridge

// StartTemporal returns the address of the Temporal server that all tests share, for
// examples, which have no testing.T.
func StartTemporal() (address string, err error) {
	server, err := servers.StartTemporal()
	if err != nil {
		return "", err
	}
	return server.Address, nil
}
