// Package files keeps the catalog's files: uploads and transcoded videos. It owns their
// names and three promises. A file is stored completely or not at all, also after a crash
// or a power failure. The content of a name never changes. A name never leads out of the
// folder. What is in a file, and when it can be deleted, is left to the callers.
//
// Disk keeps them in a folder of one machine. Therefore a file's location is stored with
// its name, and the work on a file has to be done where the file is. The files could as
// well be objects in S3: the comments on Disk's methods describe how each would be
// implemented there. All machines would share the files, the location would be empty, and
// the work could be done anywhere.
package files
