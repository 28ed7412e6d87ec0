// Package media transcodes an uploaded file to a video, and transcribes its speech. It
// runs ffmpeg and pocketsphinx, bounds what they read, write and use, and decides which
// failures are the file's fault: those are an *Unusable, and a retry would fail again.
// Every other error is retryable: a missing program, a full disk, a context that ends. Of
// a program that is killed, the file or the machine may be the cause: ErrCrashed. Where
// files are kept is left to package files, and when a step runs, and how often, to
// package process.
//
// The file may be hostile. Format determines its format from the first bytes. The format
// must be one of a list of containers, and ffmpeg is forced to use it. Therefore ffmpeg
// never opens a playlist, a script or a series of pictures: those refer to further files,
// and ffmpeg would read the machine's. The programs have no environment, no input, no
// network protocol and no time beyond the context, whose deadline the caller sets. Sizes,
// lengths, rates and all that is kept in memory are bounded. A fault in one of ffmpeg's
// decoders remains possible: run the process as a user without other rights, in a
// container with a memory limit and without network.
package media
