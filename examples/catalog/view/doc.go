// Package view keeps the catalog's read model, the rows of its pages, in PostgreSQL. It
// owns the tables and the aggregation into them: a row of videos is the fold of that
// video's events, by package video, and a row of viewings counts that video's views.
// No step of the process depends on a row, and every row can be made again.
//
// There is a subscription for each category. Each message is applied in one transaction
// that also moves the subscription's position from the message before it, so it is
// applied exactly once, by whichever replica comes first, also after a crash at any
// point. The two categories do not wait for each other: views are counted also for a
// video that has no row yet.
//
// To rebuild the read model, truncate positions, videos and viewings in one statement,
// and restart the catalog. A running one notices with its next message, and rebuilds too.
package view
