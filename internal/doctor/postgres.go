package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"orderflow/internal/postgres"
)

// oldestPostgres is PostgreSQL 15, as server_version_num.
const oldestPostgres = 150_000

// connectionsOf is the size of each binary's pool. A publisher replicates over one more.
func (o Options) connectionsOf() map[string]int64 {
	return map[string]int64{
		"worker": int64(o.Worker.Connections()), "publisher": 9, "projector": 4, "api": 8, "reconcile": 16,
	}
}

// daemonConnections is how many connections one of each daemon may open.
func (o Options) daemonConnections() (n int64) {
	pools := o.connectionsOf()
	for _, daemon := range []string{"worker", "publisher", "projector", "api"} {
		n += pools[daemon]
	}
	return n
}

func (f *facts) readPostgres(ctx context.Context) (func(), error) {
	var c clock
	found, err := f.options.Postgres.Inspect(ctx, func() { c.begin(f.options.Now) })
	if e, ok := errors.AsType[*postgres.Error](err); ok && e.Blocked() {
		return nil, &refusedError{
			err, "No binary with this address works.", "Correct user, password and database in POSTGRES_URL, or what the error names.",
		}
	}
	if err != nil {
		return nil, err
	}
	c.end(f.options.Now, found.Server.Now, 0, nil)
	return func() { f.postgres, f.clocks[Postgres] = found, c }, nil
}

func postgresReachable(f *facts) Result { return ok("responds to role %s", f.postgres.CurrentRole) }

func postgresVersion(f *facts) Result {
	s := f.postgres.Server
	if s.Version < oldestPostgres {
		return problem("PostgreSQL "+s.VersionText, "Publications and grants need what newer servers have.", "Upgrade to PostgreSQL 15 or newer.")
	}
	return ok("PostgreSQL %s", s.VersionText)
}

func writable(f *facts) Result {
	switch s := f.postgres.Server; {
	case s.Standby:
		return problem("the server is a standby", "Nothing can be written there: no order proceeds.",
			"Let POSTGRES_URL name the primary, or all servers with target_session_attrs=read-write.")
	case s.ReadOnly:
		return problem("sessions are read-only by default", "Nothing is written: no order proceeds.",
			"Set default_transaction_read_only = off for the role, the database or the server.")
	default:
		return ok("the server accepts writes")
	}
}

func pooler(f *facts) Result {
	s := f.postgres.Server
	switch {
	case !s.Pooled:
		return ok("no connection pooler is before the server")
	case s.Isolation != "read committed" || s.SearchSchema != "public":
		return problem(fmt.Sprintf("a connection pooler is before the server, with sessions of isolation %q and schema %q", s.Isolation, s.SearchSchema),
			"Through a pooler the binaries cannot set what their statements depend on, and do nothing.",
			"ALTER ROLE ... SET default_transaction_isolation = 'read committed'; ALTER ROLE ... SET search_path = public")
	case f.options.As != "" && f.options.As != "publisher" && f.options.As != "projector":
		return ok("a connection pooler is before the server, which %s may use", f.options.As)
	default:
		return warning("a connection pooler is before the server",
			"Migrations, publisher and projector hold locks or replicate: they refuse a pooler. Worker, api and reconcile may use it.",
			"Give migrate, publisher and projector a POSTGRES_URL that leads to the server itself.")
	}
}

func schema(f *facts) Result {
	switch s := f.postgres.Schema; {
	case !s.Exists:
		return problem("the schema does not exist", "No binary starts.", "orderflow migrate, as the owner of the database")
	case !s.Readable:
		return notChecked("role %s may not read orderflow_schema_version", f.postgres.CurrentRole)
	case s.Version < s.Needed:
		return problem(fmt.Sprintf("the schema is at version %d, this build needs %d", s.Version, s.Needed), "Binaries of this build do not start.",
			"orderflow migrate, as the owner of the database")
	case s.Version > s.Needed:
		return warning(fmt.Sprintf("the schema is at version %d, newer than this build's %d", s.Version, s.Needed),
			"This build still works with it, if it is the one before.", "Use the orderflow command of the release that runs.")
	default:
		return ok("the schema is at version %d, as this build needs", s.Version)
	}
}

// commits returns the synchronous_commit of the session and of the roles whose commits
// must not be lost, as far as they have one of their own, by what a finding calls it.
func (f *facts) commits() map[string]string {
	const setting = "synchronous_commit"
	found, all := map[string]string{setting: f.postgres.Server.Commit}, postgres.Roles()
	for _, binary := range []string{"worker", "publisher"} {
		if own := f.postgres.Roles[all[binary]].Commit; own != "" && all[binary] != f.postgres.CurrentRole {
			found[setting+" of role "+all[binary]] = own
		}
	}
	return found
}

// weakCommits returns what of commits may lose a commit in a crash, and what in a failover.
func (f *facts) weakCommits() (crash, failover []string) {
	commits := f.commits()
	for _, name := range slices.Sorted(maps.Keys(commits)) {
		switch value := commits[name]; {
		case slices.Contains([]string{"off", "false", "no", "0"}, value):
			crash = append(crash, name)
		case value == "local" && f.postgres.Server.SyncStandbys != "":
			failover = append(failover, name)
		}
	}
	return crash, failover
}

func durability(f *facts) Result {
	s := f.postgres.Server
	lost, local := f.weakCommits()
	if s.Fsync == "off" {
		lost = append([]string{"fsync"}, lost...)
	}
	switch {
	case len(lost) > 0:
		return problem(list(lost)+" is off", "A crash of the server loses what was committed: an email is sent twice, an order's row disagrees with its workflow.",
			"Set fsync = on for the server, and synchronous_commit = on for it, the database and the role.")
	case len(local) > 0:
		return warning(list(local)+" is local", "No commit waits for synchronous_standby_names: a failover loses the last ones.",
			"Set synchronous_commit = on for the server, the database and the role.")
	case s.PageWrites == "off":
		return warning("full_page_writes is off", "A crash in the middle of writing a page damages it, unless the storage writes whole pages.",
			"Set full_page_writes = on, unless the file system copies on write, as ZFS does.")
	default:
		return ok("what is committed survives a crash (synchronous_commit = %s)", s.Commit)
	}
}

func roles(f *facts) Result {
	const script = "psql -v ON_ERROR_STOP=1 -d DATABASE -f deploy/roles.sql, as a superuser"
	p := f.postgres
	if !p.GrantsKnown {
		return notChecked("there is no schema")
	}
	var absent, lacking, noLogin, super []string
	all := postgres.Roles()
	for _, binary := range slices.Sorted(maps.Keys(all)) {
		role := all[binary]
		if state, exists := p.Roles[role]; !exists {
			absent = append(absent, role)
		} else if !state.Login {
			noLogin = append(noLogin, role)
		}
		if p.Roles[role].Superuser {
			super = append(super, role)
		}
		for _, grant := range p.Missing[role] {
			lacking = append(lacking, role+" lacks "+grant)
		}
	}
	switch {
	case p.OpenSchema:
		return problem("every role may create objects in the schema public", "With a function there that a trigger calls as the owner of the "+
			"tables, any role gets the owner's rights.", "REVOKE CREATE ON SCHEMA public FROM PUBLIC, as the owner of the schema or a superuser")
	case len(absent) == len(all):
		return notChecked("none of the roles of deploy/roles.sql exists; --as checks a role of another name, with its POSTGRES_URL")
	case len(lacking) > 0:
		return problem(list(lacking), "What the binary does with it is refused until it is granted.", script)
	case len(super) > 0:
		return warning(list(super)+" is a superuser", "It can read everything and drop the triggers that protect the rows.", "ALTER ROLE "+super[0]+" NOSUPERUSER")
	case len(noLogin) > 0:
		return warning("without LOGIN: role "+list(noLogin), "A binary that connects as such a role is refused.", "ALTER ROLE "+noLogin[0]+" LOGIN")
	case len(absent) > 0:
		return warning("there is no role "+list(absent), "The binaries share roles with more rights than they need, or cannot connect.", script)
	default:
		return ok("each role of deploy/roles.sql exists, with its grants")
	}
}

func replicationRole(f *facts) Result {
	all := postgres.Roles()
	name := all["publisher"]
	if f.options.As == "publisher" {
		name = f.postgres.CurrentRole
	}
	reader, exists := f.postgres.Roles[name]
	var others []string
	for binary, role := range all {
		if binary != "publisher" && f.postgres.Roles[role].Replication {
			others = append(others, role)
		}
	}
	slices.Sort(others)
	switch {
	case len(others) > 0:
		return warning(list(others)+" may replicate", "A role with REPLICATION can read everything in the cluster through the log, whatever its grants say.",
			"ALTER ROLE "+others[0]+" NOREPLICATION; on Amazon RDS: REVOKE rds_replication FROM "+others[0])
	case !exists:
		return notChecked("there is no role %s", name)
	case !reader.Replication && !reader.Superuser:
		return problem("the publisher's role may not replicate", "It cannot read the log: nothing is published.",
			"ALTER ROLE "+identifier(name)+" REPLICATION, as a superuser; on Amazon RDS: GRANT rds_replication TO "+identifier(name))
	default:
		return ok("only the publisher's role may replicate")
	}
}

func postgresRights(f *facts) Result {
	as, role := f.options.As, f.postgres.CurrentRole
	switch {
	case as == "":
		return notChecked("--as says whose rights to check: %s", list(Binaries()))
	case as == "starter":
		return ok("the starter uses no PostgreSQL")
	case !f.postgres.GrantsKnown:
		return notChecked("there is no schema")
	case f.postgres.Roles[role].Superuser:
		return warning("role "+role+" is a superuser", "It can read everything and drop the triggers that protect the rows.",
			"Give the "+as+" a role of its own: deploy/roles.sql")
	case len(f.postgres.CurrentLacks[as]) > 0:
		return problem("role "+role+" lacks "+list(f.postgres.CurrentLacks[as]), "What the "+as+" does with it is refused.",
			"SELECT orderflow_grant_"+as+"("+literal(role)+"), as the owner or a superuser")
	default:
		return ok("role %s has what the %s needs", role, as)
	}
}

func connections(f *facts) Result {
	s := f.postgres.Server
	limit, connected, of := s.MaxConnections-s.Reserved, s.Connected, "max_connections, less the reserved ones"
	needed, whose := f.options.daemonConnections(), "one of each daemon"
	if s.DatabaseLimit >= 0 && s.DatabaseLimit < limit {
		limit, connected, of = s.DatabaseLimit, s.DatabaseConnected, "the database's CONNECTION LIMIT"
	}
	if pool, named := f.options.connectionsOf()[f.options.As]; named && s.RoleLimit >= 0 && s.RoleLimit < limit {
		limit, connected, of = s.RoleLimit, s.RoleConnected, "the role's CONNECTION LIMIT"
		needed, whose = pool, "one "+f.options.As
	}
	const do = "Raise the limit, run fewer replicas, or put a pooler before worker and api."
	switch {
	case limit < needed:
		return warning(fmt.Sprintf("%d connections are allowed (%s), and %s may open %d", limit, of, whose, needed), "Under load, calls fail and are retried.", do)
	case connected*10 > limit*9:
		return warning(fmt.Sprintf("%d of %d connections are in use (%s)", connected, limit, of), "A further replica may not get its own.", do)
	default:
		return ok("%d of %d connections are in use; one of each daemon may open %d", connected, limit, f.options.daemonConnections())
	}
}
