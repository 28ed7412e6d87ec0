package crash

import (
	"context"
	"fmt"

	"orderflow/dev/chaos/internal/rig"
)

// arming is a process that is started, or will be started next, to die at a point.
type arming struct {
	seen int  // how many deaths it had before
	log  tail // what it logged since
}

func newArming(p *rig.Process, log string) (*arming, error) {
	tail, err := tailOf(log)
	return &arming{seen: len(p.Deaths()), log: tail}, err
}

// arm restarts a process so that it dies at a point, unless armNext has already done so
// and it did start since.
func (m Matrix) arm(ctx context.Context, p *rig.Process, c Crash, armed *arming) (*arming, error) {
	if armed != nil && p.Started(variable, c.Failpoints(), armed.seen) {
		return armed, nil
	}
	armed, err := newArming(p, m.Rig.Log(p.Name))
	if err != nil {
		return nil, err
	}
	if err := p.Restart(ctx, map[string]string{variable: c.Failpoints()}); err != nil {
		return nil, fmt.Errorf("arm: %w", err)
	}
	return armed, nil
}

// armNext arms the run that follows the crash at c. It returns nil if the next crash is
// that of a command, or at the same point, where the two could not be told apart.
func (m Matrix) armNext(p *rig.Process, c Crash, following []Crash) (*arming, error) {
	if len(following) == 0 {
		return nil, nil
	}
	next := following[0]
	if next.Point == c.Point || operatorCommands()[stepOf(next.Point.Name)].dies {
		return nil, nil
	}
	armed, err := newArming(p, m.Rig.Log(p.Name))
	if err == nil {
		p.SetNext(map[string]string{variable: next.Failpoints()})
	}
	return armed, err
}
