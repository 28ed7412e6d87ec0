// Package docs compares the documentation with the code: the table of environment
// variables with the settings that the binaries read, and links with the files and
// headings they point to. It holds tests only.
package docs
