// Package sweep removes files that no message names: an upload whose command was never
// appended, because the event store was away and the form was not sent again, and a file
// that was transcoded for a video which had failed meanwhile.
//
// It never removes a file that a message names, or may still name. A writer calls Save or
// Keep of package files shortly before it appends a message that names a file, also if the
// file was there already. So the sweep takes the files for which that was a week ago or
// longer, reads the streams of their videos, and then removes a file only if there was no
// Save or Keep meanwhile. Package files decides that and removes the file under one lock.
//
// An empty event store would make orphans of all files. A folder of which the store knows
// no file is left as it is.
package sweep
