package postgres

import "github.com/prometheus/client_golang/prometheus"

// Collector returns the pool's metrics. A process registers it once.
func (p *Pool) Collector() prometheus.Collector { return newPoolCollector(p) }

// poolCollector exports what the pool counts itself, so a scrape costs nothing.
type poolCollector struct {
	pool                                       *Pool
	connections, most, opened                  *prometheus.Desc
	acquires, acquiring, waits, waited, gaveUp *prometheus.Desc
	conflicts                                  *prometheus.Desc
}

func newPoolCollector(p *Pool) poolCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("orderflow_postgres_"+name, help, labels, nil)
	}
	return poolCollector{
		pool:        p,
		connections: desc("connections", "Connections to PostgreSQL, by state.", "state"),
		most:        desc("connections_max", "Size of the pool of connections to PostgreSQL."),
		opened:      desc("connections_opened_total", "Connections to PostgreSQL that were opened."),
		acquires:    desc("acquires_total", "Connections that were taken from the pool."),
		acquiring:   desc("acquire_seconds_total", "Time that taking them took."),
		waits:       desc("acquire_waits_total", "Connections that were waited for, because none was idle."),
		waited:      desc("acquire_wait_seconds_total", "Time that those were waited for."),
		gaveUp:      desc("acquires_canceled_total", "Attempts to take a connection that were given up."),
		conflicts:   desc("conflicts_total", "Transactions that were repeated because they were aborted in favor of another."),
	}
}

// Describe implements prometheus.Collector.
func (c poolCollector) Describe(descriptions chan<- *prometheus.Desc) {
	prometheus.DescribeByCollect(c, descriptions)
}

// Collect implements prometheus.Collector.
func (c poolCollector) Collect(samples chan<- prometheus.Metric) {
	stat := c.pool.db.Stat()
	send := func(kind prometheus.ValueType, desc *prometheus.Desc, value float64, labels ...string) {
		samples <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	}
	send(prometheus.GaugeValue, c.connections, float64(stat.IdleConns()), "idle")
	send(prometheus.GaugeValue, c.connections, float64(stat.AcquiredConns()), "acquired")
	send(prometheus.GaugeValue, c.connections, float64(stat.ConstructingConns()), "constructing")
	send(prometheus.GaugeValue, c.most, float64(stat.MaxConns()))
	send(prometheus.CounterValue, c.opened, float64(stat.NewConnsCount()))
	send(prometheus.CounterValue, c.acquires, float64(stat.AcquireCount()))
	send(prometheus.CounterValue, c.acquiring, stat.AcquireDuration().Seconds())
	send(prometheus.CounterValue, c.waits, float64(stat.EmptyAcquireCount()))
	send(prometheus.CounterValue, c.waited, stat.EmptyAcquireWaitTime().Seconds())
	send(prometheus.CounterValue, c.gaveUp, float64(stat.CanceledAcquireCount()))
	send(prometheus.CounterValue, c.conflicts, float64(c.pool.conflicts.Load()))
}
