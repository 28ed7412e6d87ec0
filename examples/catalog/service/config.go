package service

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/caarlos0/env/v11"
)

// Config is the configuration. Temporal's client reads its own variables (TEMPORAL_ADDRESS,
// TEMPORAL_NAMESPACE, a profile).
type Config struct {
	KurrentDB      string        `env:"KURRENTDB_URL,required,notEmpty"`
	AllowPlaintext bool          `env:"KURRENTDB_ALLOW_PLAINTEXT"`
	Postgres       string        `env:"POSTGRES_URL,required,notEmpty"`
	Folder         string        `env:"CATALOG_FOLDER,required,notEmpty"`             // of the files, on a disk of this machine
	Addr           string        `env:"CATALOG_ADDR" envDefault:"127.0.0.1:8090"`     // of the pages
	OpsAddr        string        `env:"CATALOG_OPS_ADDR" envDefault:"127.0.0.1:9490"` // of /metrics and /readyz
	MaxUpload      int64         `env:"CATALOG_MAX_UPLOAD" envDefault:"209715200"`    // bytes
	Transcodes     int           `env:"CATALOG_TRANSCODES" envDefault:"1"`            // steps with files at once
	StopTimeout    time.Duration `env:"CATALOG_STOP_TIMEOUT" envDefault:"20s"`
}

// Load reads the configuration from variables, as env.ToMap(os.Environ()) returns them. Its
// error names every variable that is wrong.
func Load(variables map[string]string) (Config, error) {
	c, err := env.ParseAsWithOptions[Config](env.Options{Environment: variables})
	return c, errors.Join(err, c.validate())
}

func (c Config) validate() error {
	var faults []error
	for variable, addr := range map[string]string{"CATALOG_ADDR": c.Addr, "CATALOG_OPS_ADDR": c.OpsAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			faults = append(faults, fmt.Errorf("%s: %q is not host:port", variable, addr))
		}
	}
	if c.MaxUpload < 1 || c.MaxUpload > 10<<30 {
		faults = append(faults, errors.New("CATALOG_MAX_UPLOAD: has to be from 1 byte to 10 GiB"))
	}
	if c.Transcodes < 1 || c.Transcodes > 64 {
		faults = append(faults, errors.New("CATALOG_TRANSCODES: has to be from 1 to 64"))
	}
	if c.StopTimeout < time.Second || c.StopTimeout > 5*time.Minute {
		faults = append(faults, errors.New("CATALOG_STOP_TIMEOUT: has to be from 1s to 5m"))
	}
	return errors.Join(faults...)
}
