// Package collect reads the stores as they are: every event of KurrentDB, every workflow's history, every row, every mail.
// It has its own way into each of them and shares nothing with the product but the decoding of order events, so that a
// mistake there cannot hide itself here. It leaves judging to package judge.
package collect
