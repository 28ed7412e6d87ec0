// Package web is the catalog over HTTP: a form that uploads a video, the list of videos,
// and a page for each, which is reloaded until the video is ready. It writes two kinds of
// messages: the command to catalog a video, and the event that it was viewed.
//
// An upload may be submitted any number of times. The form contains the video's id, so a
// repetition finds the command of the first submission and gets the same response. The
// file is kept before the command is appended: after a crash or an outage in between, the
// repetition finds the file, compares it with its own, and appends the command. Another
// file or title with the same id is refused. If nothing is repeated, the file remains
// without a command until package sweep removes it. A client that sends no id gets a new
// one, and a repetition is another video.
//
// Package files decides how a file is kept, package messages how a message is, package
// media which formats are accepted, and package view what the pages show. What follows a
// command is left to package process.
package web
