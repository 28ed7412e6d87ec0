package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"text/tabwriter"

	"orderflow/dev/flags"
	"orderflow/internal/config"
)

func main() { os.Exit(config.Report(os.Stderr, run(os.Args[1:], os.Environ(), os.Stdout))) }

func run(args, environ []string, stdout io.Writer) error {
	l, result, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	worker, invalid := config.Load[config.Worker](environ)
	if err := config.Merge(err, invalid); err != nil {
		return err
	}
	var m *measured
	if result != "" {
		if m, err = readMeasured(result); err != nil {
			return err
		}
	}
	return show(stdout, plan(l, worker, m), m)
}

// parse reads the command line.
func parse(args []string, stdout io.Writer) (l load, result string, err error) {
	const most = 1_000_000_000
	l = defaultLoad()
	set := flags.New("scaling")
	set.Count(&l.perDay, "orders-per-day", "`orders` a day (default 1000000)", 1, most)
	set.Value("peak", "the rate of the busiest hour, as a `multiple` of the average (default 3)", func(value string) (err error) {
		l.peak, err = strconv.ParseFloat(value, 64)
		return flags.Unless(err == nil && l.peak >= 1 && l.peak <= 1000, "must be from 1 to 1000")
	})
	set.Count(&l.orderBytes, "order-bytes", "`bytes` of an order-placed event (default 2000)", 1, 256<<10)
	set.Count(&l.openDays, "open-days", "`days` that an order waits for its shipment (default 3)", 0, 365)
	set.Count(&l.retentionDays, "retention-days", "`days` that Temporal keeps closed workflows (default 30)", 1, 3650)
	set.Count(&l.historyDays, "history-days", "`days` of PUBLISHER_HISTORY_RETENTION (default 7)", 1, 3650)
	set.StringVar(&result, "result", "", "`file` that the benchmark has written, for the number of processors")
	return l, result, set.ReadArguments(args, stdout, "scaling calculates what a number of orders a day needs. The variables WORKER_* count as they do for a worker.\n", func() {})
}

// show prints the plan as a table, and how it agrees with a measurement.
func show(w io.Writer, lines []line, m *measured) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(table, "%s\t%s\t%s\n", l.where, l.what, l.value)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if m == nil {
		return nil
	}
	_, err := fmt.Fprintf(w, "\n%s\n", m.check())
	return err
}
