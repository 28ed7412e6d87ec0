// Package process is the process that catalogs a video: the route that a command takes, the
// workflow CatalogVideo, and its activities.
//
// The workflow only says which step comes next and where it runs. Each activity first folds
// the video's events, and does nothing if the event that it would write is there. So a step
// may run again after a crash, a reset or a second start of the workflow. Events are appended
// at the revision that was folded, with an id that follows from the stream and the type: of
// two attempts at once the first one's event remains, and KurrentDB takes the other for its
// repetition.
//
// What fails in an outage is retried by the server. What the file may have caused, such as a
// crash of this process, is counted by the workflow, and ends the video after some attempts.
//
// The package leaves the messages to package video, storing them to package messages, the
// files to package files, and what is done with them to package media.
package process
