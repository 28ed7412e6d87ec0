package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v3"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/dev/devserver"
)

const (
	scrapeEvery  = "500ms"
	scrapeSlowly = "2500ms" // the publisher asks PostgreSQL during a scrape, for two seconds at most
	queryTimeout = 5 * time.Second
	stopTimeout  = 10 * time.Second
)

// prometheus is a running server that scrapes a stack and evaluates the rules.
type prometheus struct {
	url     string
	command *exec.Cmd
}

// target is one process to scrape.
type target struct{ job, address string }

// jobOf returns the name of the job that scrapes the processes of a binary.
func jobOf(binary string) string { return "orderflow-" + binary }

// startPrometheus starts the server in a folder and returns once it is ready.
func startPrometheus(ctx context.Context, dir, rules string, targets []target) (*prometheus, error) {
	program, err := exec.LookPath("prometheus")
	if err != nil {
		return nil, errors.New("prometheus is not installed: dev/packages/packages.sh installs it")
	}
	file, err := writeConfig(dir, rules, targets)
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "prometheus.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the process has its own copy
	p := &prometheus{url: "http://" + address}
	p.command = exec.CommandContext(context.WithoutCancel(ctx), program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "prometheus"),
		"--web.listen-address="+address, "--log.level=warn")
	p.command.Stdout, p.command.Stderr = log, log
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start prometheus: %w", err)
	}
	if err := until(ctx, time.Minute, p.ready); err != nil {
		p.stop()
		return nil, fmt.Errorf("prometheus is not ready, see %s: %w", log.Name(), err)
	}
	return p, nil
}

// writeConfig writes the server's configuration and its rules.
func writeConfig(dir, rules string, targets []target) (file string, err error) {
	type static struct {
		Targets []string `yaml:"targets"`
	}
	type scrape struct {
		Job     string   `yaml:"job_name"`
		Every   string   `yaml:"scrape_interval"`
		Timeout string   `yaml:"scrape_timeout"`
		Static  []static `yaml:"static_configs"`
	}
	configuration := struct {
		Global map[string]string `yaml:"global"`
		Rules  []string          `yaml:"rule_files"`
		Scrape []scrape          `yaml:"scrape_configs"`
	}{
		Global: map[string]string{"evaluation_interval": scrapeEvery},
		Rules:  []string{"rules.yaml"},
	}
	jobs := map[string][]string{}
	for _, t := range targets {
		jobs[t.job] = append(jobs[t.job], t.address)
	}
	for job, addresses := range jobs {
		every := scrapeEvery
		if job == jobOf(rig.Publisher) {
			every = scrapeSlowly
		}
		configuration.Scrape = append(configuration.Scrape, scrape{Job: job, Every: every, Timeout: every, Static: []static{{addresses}}})
	}
	content, err := yaml.Marshal(configuration)
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "prometheus.yaml")
	return file, errors.Join(os.WriteFile(file, content, 0o600), os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules), 0o600))
}

func freeAddress() (string, error) {
	ports, err := devserver.ClaimPorts()
	if err != nil {
		return "", err
	}
	defer ports.Close()
	port, err := ports.Next()
	return devserver.Loopback(port), err
}

func (p *prometheus) ready(ctx context.Context) error { return p.get(ctx, "/-/ready", nil) }

// alert is one that is pending or firing.
type alert struct {
	Labels map[string]string `json:"labels"`
	State  string            `json:"state"`
}

// scrapes returns an error unless each of the targets was scraped.
func (p *prometheus) scrapes(targets int) func(context.Context) error {
	return func(ctx context.Context) error {
		var response struct {
			Data struct {
				Active []struct {
					Health string `json:"health"`
				} `json:"activeTargets"`
			} `json:"data"`
		}
		if err := p.get(ctx, "/api/v1/targets", &response); err != nil {
			return err
		}
		up := 0
		for _, t := range response.Data.Active {
			if t.Health == "up" {
				up++
			}
		}
		if up < targets {
			return fmt.Errorf("prometheus has scraped %d of %d processes", up, targets)
		}
		return nil
	}
}

// firing returns the alerts that fire now, by name, each with its labels.
func (p *prometheus) firing(ctx context.Context) (map[string][]string, error) {
	var response struct {
		Data struct {
			Alerts []alert `json:"alerts"`
		} `json:"data"`
	}
	if err := p.get(ctx, "/api/v1/alerts", &response); err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, a := range response.Data.Alerts {
		if a.State == "firing" {
			name := a.Labels["alertname"]
			found[name] = append(found[name], describe(a.Labels))
		}
	}
	return found, nil
}

// restarted returns a check that fails until the server has scraped another process at an
// address than at its first call, which succeeds. Processes between two scrapes leave no
// trace.
func (p *prometheus) restarted(address string) func(context.Context) error {
	before := ""
	return func(ctx context.Context) error {
		var response struct {
			Data struct {
				Result []struct {
					Value [2]any `json:"value"` // time, value
				} `json:"result"`
			} `json:"data"`
		}
		query := url.Values{"query": {fmt.Sprintf("process_start_time_seconds{instance=%q}", address)}}
		if err := p.get(ctx, "/api/v1/query?"+query.Encode(), &response); err != nil {
			return err
		}
		if len(response.Data.Result) != 1 {
			return fmt.Errorf("prometheus has %d start times of %s", len(response.Data.Result), address)
		}
		found := fmt.Sprint(response.Data.Result[0].Value[1])
		if before == found {
			return fmt.Errorf("prometheus has not scraped %s since its restart", address)
		}
		before = found
		return nil
	}
}

// describe returns the labels that tell alerts of one rule apart.
func describe(labels map[string]string) string {
	var parts []string
	for name, value := range labels {
		if !slices.Contains([]string{"alertname", "severity"}, name) {
			parts = append(parts, name+"="+value)
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func (p *prometheus) get(ctx context.Context, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// stop ends the server, by force if it takes too long.
func (p *prometheus) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(stopTimeout, func() { _ = p.command.Process.Kill() })
	defer timer.Stop()
	_ = p.command.Wait() // it reports the signal
}

// until repeats a check until it succeeds, or returns its last error after a while.
func until(ctx context.Context, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}
