package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"orderflow/deploy"
	"orderflow/internal/backoff"
	"orderflow/internal/config"
	"orderflow/internal/postgres"
)

// PostgresOptions are what to set up in PostgreSQL.
type PostgresOptions struct {
	Pool *postgres.Pool // with sessions of its own, as the owner of the schema or a superuser
	Slot string         // the publisher's replication slot

	// WithoutPasswords says that the roles authenticate in another way, such as by
	// certificate, so roles without a password are not reported.
	WithoutPasswords bool
}

const (
	stepSchema      = "schema"
	stepPublication = "publication"
	stepPasswords   = "passwords"
)

// postgresRun is the setup of PostgreSQL.
type postgresRun struct {
	*run
	PostgresOptions
	pending bool // in a dry run: there is no schema yet
}

// lockName is the name of the lock that one setup of a database holds at a time.
const lockName = "setup"

// lockTimeout bounds waiting for another setup of the same database, which may be
// migrating it.
const lockTimeout = 11 * time.Minute

func (p *postgresRun) setUp(ctx context.Context) {
	if !p.await(ctx, Postgres, p.Pool.Ping, isConfig) {
		return
	}
	lock, err := p.lock(ctx)
	if err != nil {
		p.fail(Postgres, "lock", err)
		return
	}
	defer lock.Release()
	setup := postgres.NewSetup(p.Pool)
	schema := p.schema(ctx, setup)
	p.openSchema(ctx, setup)
	p.publication(ctx, setup, schema)
	p.roles(ctx, setup, schema)
	p.slot(ctx, schema)
}

// isConfig reports whether waiting cannot help, because the settings are wrong.
func isConfig(err error) bool {
	_, ok := errors.AsType[*config.Error](err)
	return ok
}

// lock waits until no other setup works on the database: concurrent grants on one table
// would abort one of the two.
func (p *postgresRun) lock(ctx context.Context) (*postgres.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, lockTimeout)
	defer cancel()
	poll := backoff.Exponential{Min: 100 * time.Millisecond, Max: 2 * time.Second}
	for tries := 0; ; tries++ {
		lock, err := p.Pool.TryLock(ctx, lockName)
		if err != nil || lock != nil {
			return lock, err
		}
		if tries == 0 {
			p.Logger.Info("waiting for another setup of the same database")
		}
		if err := poll.Wait(ctx, tries); err != nil {
			return nil, fmt.Errorf("another setup of the same database is running: %w", err)
		}
	}
}

// schema runs the pending migrations. It reports whether the schema is current, or would
// be in a dry run.
func (p *postgresRun) schema(ctx context.Context, setup *postgres.Setup) bool {
	version, newest, err := setup.SchemaVersion(ctx)
	if err != nil {
		p.fail(Postgres, stepSchema, err)
		return false
	}
	if version >= newest {
		p.add(Postgres, stepSchema, AlreadyThere, fmt.Sprintf("version %d", version))
		return true
	}
	grants, err := setup.RightsToMigrate(ctx)
	if err == nil && len(grants) == 0 && !p.dryRun() {
		err = setup.Migrate(ctx)
	}
	switch {
	case err == nil && len(grants) > 0:
		p.add(Postgres, stepSchema, Refused, "a superuser has to allow it first, then run this again", grants...)
		return false
	case errors.Is(err, postgres.ErrMayNotGrant):
		p.add(Postgres, stepSchema, Refused, err.Error()+": run `orderflow setup` as the owner of the schema")
		return false
	case err != nil:
		p.fail(Postgres, stepSchema, err)
		return false
	case version == 0:
		p.done(Postgres, stepSchema, Created, fmt.Sprintf("version %d", newest))
	default:
		p.done(Postgres, stepSchema, Changed, fmt.Sprintf("version from %d to %d", version, newest))
	}
	p.pending = p.dryRun() && version == 0 // an older schema has what the other steps look at
	return true
}

// openSchema reports a schema in which every role may create objects. It closes nothing:
// other programs may share the database.
func (p *postgresRun) openSchema(ctx context.Context, setup *postgres.Setup) {
	const step = "schema public"
	switch open, err := setup.OpenSchema(ctx); {
	case err != nil:
		p.fail(Postgres, step, err)
	case open:
		p.add(Postgres, step, Left, "every role may create functions in it, which the triggers would call as the owner",
			"REVOKE CREATE ON SCHEMA public FROM PUBLIC;")
	}
}

// needs reports whether a step that needs the schema can run. If not, it adds the result.
func (p *postgresRun) needs(schema bool, step string) bool {
	switch {
	case !schema:
		p.add(Postgres, step, Skipped, "the schema comes first")
	case p.pending:
		p.done(Postgres, step, Created, "after the schema")
	}
	return schema && !p.pending
}

// publication repairs the publication that the schema created.
func (p *postgresRun) publication(ctx context.Context, setup *postgres.Setup, schema bool) {
	if !p.needs(schema, stepPublication) {
		return
	}
	_, err := postgres.NewPublication(p.Pool).Check(ctx)
	switch {
	case err == nil:
		p.add(Postgres, stepPublication, AlreadyThere, "")
		return
	case isConfig(err): // wal_level
		p.add(Postgres, stepPublication, Left, err.Error(), "ALTER SYSTEM SET wal_level = 'logical'; -- then restart the server")
		return
	case !errors.Is(err, postgres.ErrNoPublication):
		p.fail(Postgres, stepPublication, err)
		return
	}
	statements, err := setup.PublicationRepair(ctx)
	if err == nil && !p.dryRun() {
		err = setup.Apply(ctx, "repair publication", statements)
	}
	switch {
	case errors.Is(err, postgres.ErrMayNotGrant):
		p.add(Postgres, stepPublication, Refused, err.Error(), statements...)
	case err != nil:
		p.fail(Postgres, stepPublication, err)
	case len(statements) == 1 && strings.HasPrefix(statements[0], "CREATE"):
		p.done(Postgres, stepPublication, Created, "")
	default:
		p.done(Postgres, stepPublication, Changed, "it left out versions or columns, and sends every insert again")
	}
}

// roles runs the steps of deploy/roles.sql.
func (p *postgresRun) roles(ctx context.Context, setup *postgres.Setup, schema bool) {
	var names []string
	for _, step := range deploy.RoleSteps() {
		title := step.Kind + " " + step.Role
		exists, err := setup.RoleExists(ctx, step.Role)
		switch {
		case err != nil:
			p.fail(Postgres, title, err)
		case step.Kind == deploy.StepRole:
			names = append(names, step.Role)
			p.createRole(ctx, setup, step, title)
		case !exists && p.dryRun():
			p.done(Postgres, title, Created, "after the role")
		case !exists:
			p.add(Postgres, title, Skipped, "the role comes first", step.SQL)
		case step.Kind == deploy.StepGrants:
			if p.needs(schema, title) {
				p.grants(ctx, setup, step, title)
			}
		default:
			p.role(ctx, setup, step, title)
		}
	}
	p.passwords(ctx, setup, names)
}

// createRole creates a role. An existing one that may not log in is left to a person, who
// may have locked it on purpose.
func (p *postgresRun) createRole(ctx context.Context, setup *postgres.Setup, step deploy.RoleStep, title string) {
	may, err := setup.MayLogIn(ctx, step.Role)
	switch {
	case err != nil:
		p.fail(Postgres, title, err)
	case !may:
		p.add(Postgres, title, Left, "it may not log in", "ALTER ROLE "+step.Role+" LOGIN;")
	default:
		p.role(ctx, setup, step, title)
	}
}

func (p *postgresRun) grants(ctx context.Context, setup *postgres.Setup, step deploy.RoleStep, title string) {
	owns, allow, err := setup.MayGrant(ctx, step.Role)
	switch {
	case err != nil:
		p.fail(Postgres, title, err)
	case !owns: // some of its grants would be ignored with a warning
		p.add(Postgres, title, Refused, "the owner of the tables grants it", step.SQL)
	case allow != "":
		p.add(Postgres, title, Refused, "the owner of the schema public has to allow it first, then run this again", allow)
	default:
		p.role(ctx, setup, step, title)
	}
}

func (p *postgresRun) role(ctx context.Context, setup *postgres.Setup, step deploy.RoleStep, title string) {
	gained, err := setup.ApplyRole(ctx, step.Role, step.SQL, p.dryRun())
	switch {
	case errors.Is(err, postgres.ErrMayNotGrant):
		p.add(Postgres, title, Refused, err.Error(), step.SQL)
	case err != nil:
		p.fail(Postgres, title, err)
	case len(gained) == 0:
		p.add(Postgres, title, AlreadyThere, "")
	case step.Kind == deploy.StepReplication:
		p.done(Postgres, title, Changed, "from NOREPLICATION to REPLICATION")
	default:
		p.done(Postgres, title, Created, listRights(gained))
	}
}

// maxRights is how many rights are listed by name.
const maxRights = 4

func listRights(rights []string) string {
	if len(rights) > maxRights {
		return fmt.Sprintf("%d rights", len(rights))
	}
	return strings.Join(rights, ", ")
}

// passwords reports roles that cannot log in by password. It sets none: a password on the
// command line or in a log would be known to others.
func (p *postgresRun) passwords(ctx context.Context, setup *postgres.Setup, roles []string) {
	if p.WithoutPasswords {
		return
	}
	without, err := setup.WithoutPassword(ctx, roles)
	var todo []string
	for _, role := range without {
		todo = append(todo, `\password `+role)
	}
	switch {
	case errors.Is(err, postgres.ErrMayNotGrant):
		p.add(Postgres, stepPasswords, Skipped, "only a superuser can see which roles have one")
	case err != nil:
		p.fail(Postgres, stepPasswords, err)
	case len(without) > 0:
		p.add(Postgres, stepPasswords, Left, "there is none for "+strings.Join(without, ", "), todo...)
	default:
		p.add(Postgres, stepPasswords, AlreadyThere, "")
	}
}

// slot creates the replication slot.
func (p *postgresRun) slot(ctx context.Context, schema bool) {
	step := "slot " + p.Slot
	if !p.needs(schema, step) {
		return
	}
	publication := postgres.NewPublication(p.Pool)
	if _, err := publication.Check(ctx); err != nil { // reported by the publication's own step
		p.add(Postgres, step, Skipped, "the publication comes first")
		return
	}
	ensure := EnsureSlot
	if p.dryRun() {
		ensure = wouldEnsureSlot
	}
	slot, err := ensure(ctx, publication, postgres.NewPublisherState(p.Pool), p.Slot)
	switch {
	case errors.Is(err, postgres.ErrMayNotReplicate):
		p.add(Postgres, step, Refused, "the publisher creates it when it starts, or a role with REPLICATION",
			fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'pgoutput');", p.Slot))
	case err != nil:
		p.fail(Postgres, step, err)
	case slot.Created:
		p.done(Postgres, step, Created, "the server keeps its log for the publisher from then on: start it")
	case slot.Lost:
		p.add(Postgres, step, AlreadyThere, "it is lost: the publisher replaces it when it starts")
	case slot.FailoverEnabled:
		p.done(Postgres, step, Changed, "failover from false to true")
	default:
		p.add(Postgres, step, AlreadyThere, "confirmed up to "+slot.Confirmed.String())
	}
}
