package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
)

// searchLimit bounds the search for a user's stream in a log that may hold only system
// events.
const searchLimit = time.Minute

// UsersStream returns the name of a user's stream that occurs in the server's log, or ""
// if there is none. It returns an error if no server responds or the log is not readable.
func UsersStream(ctx context.Context, connection string) (string, error) {
	config, err := kurrentdb.ParseConnectionString(connection)
	if err != nil {
		return "", fmt.Errorf("connection string: %w", err)
	}
	wire, err := dial(config)
	if err != nil {
		return "", err
	}
	defer wire.close()
	if err := (&env{wire: wire}).awaitServer(ctx); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, searchLimit)
	defer cancel()
	call, err := wire.streams.Read(ctx, &streams.ReadReq{Options: firstOfUsers()})
	for err == nil {
		var message *streams.ReadResp
		if message, err = call.Recv(); message.GetEvent().GetEvent() != nil {
			return string(message.GetEvent().GetEvent().GetStreamIdentifier().GetStreamName()), nil
		}
	}
	if errors.Is(err, io.EOF) {
		return "", nil
	}
	return "", fmt.Errorf("look for users' streams: %w", err)
}

// firstOfUsers reads the first event in a stream that is not a system stream.
func firstOfUsers() *streams.ReadReq_Options {
	notSystem := &streams.ReadReq_Options_FilterOptions_Expression{Regex: `^[^\$]`}
	return &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}},
		}},
		FilterOption: &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
			Filter:                       &streams.ReadReq_Options_FilterOptions_StreamIdentifier{StreamIdentifier: notSystem},
			Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: 1000},
			CheckpointIntervalMultiplier: 1,
		}},
		CountOption: &streams.ReadReq_Options_Count{Count: 1},
		UuidOption: &streams.ReadReq_Options_UUIDOption{
			Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}},
		},
	}
}
