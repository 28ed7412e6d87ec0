// Package video is what the catalog knows of a video: the names of its streams, the messages
// on them, and the state that they add up to. It is pure: package messages reads and writes
// them, package process decides which comes next, and package view makes rows of them.
package video
