package kurrentsim_test

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func TestProjections_LinkEveryEvent(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-42-x", kurrentdb.NoStream{}, event("placed"), event("paid"))
	w.append("order-43", kurrentdb.NoStream{}, event("placed"))
	w.append("plain", kurrentdb.NoStream{}, event("placed"))
	w.append("-odd", kurrentdb.NoStream{}, event("odd"))
	w.append("$system-1", kurrentdb.NoStream{}, event("placed"))
	w.setMetadata("order-43", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(9) })

	links := func(stream string) []string { return linkData(w.readStream(stream, kurrentdb.ReadStreamOptions{})) }
	require.Equal(t, []string{"0@order-42-x", "1@order-42-x", "0@order-43"}, links("$ce-order"))
	require.Equal(t, []string{"0@order-42-x", "0@order-43", "0@plain"}, links("$et-placed"))
	require.Equal(t, []string{"0@$$order-43"}, links("$et-$metadata"))
	require.Equal(t, []string{"0@order-42-x", "0@order-43", "0@plain", "0@-odd", "0@$$order-43"}, links("$streams"))
	require.Equal(t, []string{"order-42-x", "order-43"}, links("$category-order"))
	for _, none := range []string{"$ce-plain", "$ce-", "$ce-$system"} {
		_, err := w.tryReadStream(none, kurrentdb.ReadStreamOptions{})
		requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	}
}

func TestLinks_Resolve(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	placed := event("placed")
	placed.Metadata = []byte(`{"$correlationId":"c-1"}`)
	w.append("order-1", kurrentdb.NoStream{}, event("drafted"), placed)
	found := w.readStream("$ce-order", kurrentdb.ReadStreamOptions{ResolveLinkTos: true})
	require.Len(t, found, 2)
	require.Equal(t, placed.EventID, found[1].Event.EventID)
	require.Equal(t, "order-1", found[1].Event.StreamID)
	require.EqualValues(t, 1, found[1].Link.EventNumber)
	require.Equal(t, "$ce-order", found[1].Link.StreamID)
	require.Equal(t, "$>", found[1].Link.EventType)
	require.Contains(t, string(found[1].Link.UserMetadata), `"$correlationId":"c-1"`)
	require.Contains(t, string(found[1].Link.UserMetadata), `"$o":"order-1"`)
	require.Equal(t, found[1].Link.Position.Commit, *found[1].Commit)
}

func TestProjections_ByCorrelation(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	correlated := func(metadata string) kurrentdb.EventData {
		e := event("placed")
		e.Metadata = []byte(metadata)
		return e
	}
	w.append("order-1", kurrentdb.NoStream{}, correlated(`{"$correlationId":"c-1"}`), event("paid"))
	w.append("credit-1", kurrentdb.NoStream{}, correlated(`{"other":1,"$correlationId":"c-1"}`), correlated(`{"$correlationId":"c-2"}`),
		correlated(`{"$correlationId":null}`), correlated(`"$correlationId"`), correlated(`{"nested":{"$correlationId":"c-1"}}`))
	found := w.readStream("$bc-c-1", kurrentdb.ReadStreamOptions{ResolveLinkTos: true})
	require.Equal(t, []string{"0@order-1", "0@credit-1"}, linkData(w.readStream("$bc-c-1", kurrentdb.ReadStreamOptions{})))
	require.Equal(t, []string{"1@credit-1"}, linkData(w.readStream("$bc-c-2", kurrentdb.ReadStreamOptions{})))
	require.Equal(t, "order-1", found[0].Event.StreamID)
	require.Contains(t, string(found[0].Link.UserMetadata), `"$eventTimestamp":"`+found[0].Event.CreatedDate.UTC().Format("2006-01-02T15:04:05."))
}

func TestLinks_ToDeletedEvents(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-1", kurrentdb.NoStream{}, event("placed"))
	w.append("order-2", kurrentdb.NoStream{}, event("placed"))
	w.append("order-3", kurrentdb.NoStream{}, events(2)...)
	require.NoError(t, w.delete("order-1", kurrentdb.Any{}))
	require.NoError(t, w.tombstone("order-2", kurrentdb.Any{}))
	w.setMetadata("order-3", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(1) })

	found := w.readStream("$ce-order", kurrentdb.ReadStreamOptions{ResolveLinkTos: true})
	require.Equal(t, []string{
		"0@order-1", "0@order-2", "0@order-3", "1@order-3", "0@$$order-1", "9223372036854775807@order-2",
	}, linkData(found))
	present := []bool{}
	for _, e := range found {
		require.NotNil(t, e.Link)
		present = append(present, e.Event != nil)
	}
	require.Equal(t, []bool{false, false, false, true, true, false}, present)
	require.Equal(t, "$metadata", found[4].Event.EventType)
	require.Equal(t, []string{"0@order-1", "9223372036854775807@order-2"},
		linkData(w.readStream("$et-$deleted", kurrentdb.ReadStreamOptions{})))
}

func TestLinks_AppendedByClients(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	target := event("target")
	w.append("plain", kurrentdb.NoStream{}, target)
	link, broken := event("$>"), event("$>")
	link.Data, broken.Data = []byte("0@plain"), []byte("nonsense")
	link.ContentType, broken.ContentType = kurrentdb.ContentTypeBinary, kurrentdb.ContentTypeBinary
	w.append("list-1", kurrentdb.NoStream{}, link, broken)
	found := w.readStream("list-1", kurrentdb.ReadStreamOptions{ResolveLinkTos: true})
	require.Equal(t, target.EventID, found[0].Event.EventID)
	require.Nil(t, found[1].Link)
	require.Equal(t, "nonsense", string(found[1].Event.Data))
	require.Equal(t, "0@plain", linkData(w.readStream("$ce-list", kurrentdb.ReadStreamOptions{}))[0])
}

func TestLinks_Unusual(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s", kurrentdb.NoStream{}, events(2)...)
	const itself, nothing = -1, -2
	for text, want := range map[string]int{
		"0@s": 0, "\n1 @s": 1, "+1@s": 1, "-1@s": 1, "2@s": nothing, "-2@s": nothing, "0@": nothing, "0": nothing, "0@$$s": nothing,
		"9223372036854775807@s": nothing, "9223372036854775808@s": itself, "x@s": itself, "@s": itself, "": itself, "0x1@s": itself,
	} {
		stream := "links of " + text
		link := kurrentdb.EventData{EventID: event("").EventID, EventType: "$>", ContentType: kurrentdb.ContentTypeBinary, Data: []byte(text)}
		w.append(stream, kurrentdb.NoStream{}, link)
		found := w.readStream(stream, kurrentdb.ReadStreamOptions{ResolveLinkTos: true})[0]
		switch want {
		case itself:
			require.Nil(t, found.Link, text)
			require.Equal(t, "$>", found.Event.EventType, text)
		case nothing:
			require.NotNil(t, found.Link, text)
			require.Nil(t, found.Event, text)
		default:
			require.NotNil(t, found.Event, text)
			require.EqualValues(t, want, found.Event.EventNumber, text)
		}
	}
}

func TestProjections_DeletedCategoryStream(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("order-1", kurrentdb.NoStream{}, events(2)...)
	require.NoError(t, w.delete("$ce-order", kurrentdb.Any{}))
	_, err := w.tryReadStream("$ce-order", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	w.append("order-1", kurrentdb.Any{}, events(2)...)
	require.Equal(t, []uint64{2, 3}, revisions(w.readStream("$ce-order", kurrentdb.ReadStreamOptions{})))
}

func TestProjections_UnreadableEvents(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	for i, e := range []struct{ contentType, data string }{
		0: {data: `{}`},
		1: {data: `not json`},
		2: {data: ``},
		3: {data: `{"a":1,}`},
		4: {data: "{\"a\":\"\xff\"}"},
		5: {contentType: "application/octet-stream", data: "\x00\xff"},
		6: {contentType: "application/octet-stream", data: ""},
		7: {data: `{"a":1`},
	} {
		written := event("placed")
		written.Data = []byte(e.data)
		if e.contentType != "" {
			written.ContentType = kurrentdb.ContentTypeBinary
		}
		require.EqualValues(t, i, w.append("order-1", kurrentdb.Any{}, written).NextExpectedVersion)
	}
	linked := []string{"0@order-1", "3@order-1", "4@order-1", "5@order-1", "6@order-1"}
	for _, stream := range []string{"$ce-order", "$et-placed"} {
		require.Equal(t, linked, linkData(w.readStream(stream, kurrentdb.ReadStreamOptions{})))
	}
	require.Len(t, w.readStream("order-1", kurrentdb.ReadStreamOptions{}), 8)
}

func TestProjections_StoppedCatchesUp(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newRestartableWith(t, kurrentsim.Options{DataDir: dir})
	links := func(w *testServer, stream string) []string {
		return linkData(w.readStream(stream, kurrentdb.ReadStreamOptions{}))
	}
	projections := kurrentdb.NewProjectionClientFromExistingClient(w.client)
	requireStatus := func(p *kurrentdb.ProjectionClient, want, reason string) {
		t.Helper()
		got, err := p.GetStatus(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{})
		require.NoError(t, err)
		require.Equal(t, []string{"$by_category", want, reason, "Continuous"}, []string{got.Name, got.Status, got.StateReason, got.Mode})
	}
	w.append("order-1", kurrentdb.Any{}, event("placed"))
	requireStatus(projections, "Running", "")
	require.NoError(t, projections.Disable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
	w.append("order-2", kurrentdb.Any{}, event("placed"))
	requireStatus(projections, "Stopped", "")
	require.Equal(t, []string{"0@order-1"}, links(w, "$ce-order"))
	require.Equal(t, []string{"0@order-1", "0@order-2"}, links(w, "$et-placed"), "projections are independent")
	for _, e := range w.readAll(kurrentdb.ReadAllOptions{}) {
		require.False(t, e.Event.StreamID == "$ce-order" && e.Event.EventNumber > 0)
	}
	w.stop()

	w = newRestartableWith(t, kurrentsim.Options{DataDir: dir, StoppedProjections: true})
	projections = kurrentdb.NewProjectionClientFromExistingClient(w.client)
	requireStatus(projections, "Stopped", "")
	w.append("order-3", kurrentdb.Any{}, event("placed"))
	require.Equal(t, []string{"0@order-1"}, links(w, "$ce-order"), "it stays stopped over a restart without StartStandardProjections")
	require.Equal(t, []string{"0@order-1", "0@order-2", "0@order-3"}, links(w, "$et-placed"), "and the others run")
	w.stop()

	w = newRestartableWith(t, kurrentsim.Options{DataDir: dir})
	projections = kurrentdb.NewProjectionClientFromExistingClient(w.client)
	requireStatus(projections, "Running", "")
	require.Equal(t, []string{"0@order-1", "0@order-2", "0@order-3"}, links(w, "$ce-order"), "a start with it enables the projection")
	require.NoError(t, projections.Disable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
	requireStatus(projections, "Stopped", "")
	require.NoError(t, projections.Enable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
	requireStatus(projections, "Running", "")
	require.Equal(t, []string{"0@order-1", "0@order-2", "0@order-3"}, links(w, "$ce-order"))

	require.NoError(t, w.server.FaultProjection("$by_category", "it broke"))
	w.append("order-4", kurrentdb.Any{}, event("placed"))
	requireStatus(projections, "Faulted", "it broke")
	require.Len(t, links(w, "$ce-order"), 3)
	require.NoError(t, projections.Enable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
	require.Len(t, links(w, "$ce-order"), 4)
	_, err := projections.GetStatus(t.Context(), "mine", kurrentdb.GenericProjectionOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	w.stop()
}

func TestProjections_Without(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]kurrentsim.Options{
		"none": {WithoutProjections: true}, "stopped": {StoppedProjections: true},
	} {
		w := newTestServer(t, options)
		w.append("order-1", kurrentdb.Any{}, event("placed"))
		_, err := w.tryReadStream("$ce-order", kurrentdb.ReadStreamOptions{})
		requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
		projections := kurrentdb.NewProjectionClientFromExistingClient(w.client)
		status, err := projections.GetStatus(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{})
		if name == "none" {
			requireCode(t, err, kurrentdb.ErrorCodeUnsupportedFeature)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, "Stopped", status.Status)
	}
}

func TestProjections_StreamMetadata(t *testing.T) {
	t.Parallel()
	const open = `{"$acl":{"$r":"$all","$mr":"$all"}}`
	metadata := func(w *testServer, stream string) []string {
		found, err := w.tryReadStream("$$"+stream, kurrentdb.ReadStreamOptions{})
		require.NoError(w, err, stream)
		return linkData(found)
	}
	t.Run("are open to readers from their first link on", func(t *testing.T) {
		t.Parallel()
		w := newTestServer(t, kurrentsim.Options{})
		w.metadata("$ce-order", `{"$acl":{"$r":"$admins"}}`)
		w.append("order-1", kurrentdb.NoStream{}, event("a"))
		w.append("order-2", kurrentdb.NoStream{}, event("a"))
		for _, stream := range []string{"$ce-order", "$et-a", "$streams", "$category-order"} {
			require.Equal(t, []string{open}, metadata(w, stream), stream)
		}
	})
	t.Run("are open once their projection catches up", func(t *testing.T) {
		t.Parallel()
		w := newTestServer(t, kurrentsim.Options{StoppedProjections: true})
		w.append("order-1", kurrentdb.NoStream{}, event("a"))
		_, err := w.tryReadStream("$$$ce-order", kurrentdb.ReadStreamOptions{})
		requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
		projections := kurrentdb.NewProjectionClientFromExistingClient(w.client)
		for range 2 {
			require.NoError(t, projections.Enable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
		}
		require.Equal(t, []string{open}, metadata(w, "$ce-order"))
		w.append("order-1", kurrentdb.Any{}, event("a"))
		require.Equal(t, []string{open}, metadata(w, "$ce-order"))
		require.Len(t, w.readStream("$$$ce-order", kurrentdb.ReadStreamOptions{}), 1)
	})
}
