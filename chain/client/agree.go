package client

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
)

var (
	// ErrDisagree is returned when the nodes tell different things of what is final.
	ErrDisagree = errors.New("the nodes contradict each other")
	// ErrBehind is returned when no node has the block that a question is about.
	ErrBehind = errors.New("the node is behind")
)

// agreeTimeout bounds what one node may take to answer, so that one that hangs does not hold the others up.
const agreeTimeout = 5 * time.Second

// agreed reads with each node alone, all at once, and returns what more than half of
// those that answer say. A node that is not yet at the given height is not asked. What
// is read must be final at that height, so that honest nodes answer alike. A node that
// contradicts the others is named in the log. With one node its word is taken: whoever
// must not depend on it gives two or more. Errors: ErrDisagree, ErrBehind, or those of
// the reads if there is no answer at all.
func agreed[T any](ctx context.Context, c *Client, height int64, read func(context.Context, *Client) (T, error)) (T, error) {
	answers, errs := make([]T, len(c.nodes)), make([]error, len(c.nodes))
	var all sync.WaitGroup
	for i, n := range c.nodes {
		one := &Client{opt: c.opt, codec: c.codec, nodes: []node{n}}
		one.opt.Retry.Max, one.opt.Retry.Min = 0, 0
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, agreeTimeout)
			defer cancel()
			at, err := one.Height(ctx)
			if err == nil && at < height {
				err = fmt.Errorf("%w, at block %d of %d", ErrBehind, at, height)
			}
			if err == nil {
				answers[i], err = read(ctx, one)
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", c.name(i), err)
			}
		})
	}
	all.Wait()
	votes, best := make([]int, len(c.nodes)), -1
	answered := 0
	for i := range answers {
		if errs[i] != nil {
			continue
		}
		answered++
		for j := range i + 1 {
			if errs[j] == nil && reflect.DeepEqual(answers[j], answers[i]) {
				votes[j]++ // the first that said so
				break
			}
		}
	}
	for i, v := range votes {
		if 2*v > answered {
			best = i
		}
	}
	var none T
	switch {
	case answered == 0:
		return none, errors.Join(errs...)
	case best < 0:
		var names []string
		for i := range answers {
			if errs[i] == nil {
				names = append(names, c.name(i))
			}
		}
		return none, fmt.Errorf("%w: %s; ask nodes that you trust (chain.nodes)", ErrDisagree, strings.Join(names, ", "))
	}
	for i := range answers {
		if errs[i] == nil && !reflect.DeepEqual(answers[i], answers[best]) {
			c.opt.Log.Error("a node contradicts most of the others; remove it from chain.nodes", "node", c.name(i), "they", votes[best], "of", answered)
		}
	}
	return answers[best], nil
}

// name of a node in messages.
func (c *Client) name(i int) string {
	if i < len(c.opt.Nodes) {
		return c.opt.Nodes[i]
	}
	return fmt.Sprintf("node %d", i)
}

// Committed is what the graders of a window audit, final once COMMIT is over.
type Committed struct {
	Commitments []rollouttypes.Commitment // by miner address
	Groups      uint64                    // of all
	Miners      []challengetypes.FrozenMiner
	Accusations []rollouttypes.Accusation // that the window judges, by id
}

// Committed returns what the nodes agree on; see ErrDisagree and ErrBehind. commitEnd is
// the window's: the block before it is the last that takes a commitment.
func (c *Client) Committed(ctx context.Context, run, window uint64, commitEnd int64) (Committed, error) {
	return agreed(ctx, c, commitEnd-1, func(ctx context.Context, n *Client) (out Committed, err error) {
		if out.Commitments, out.Groups, err = n.Commitments(ctx, run, window); err != nil {
			return out, err
		}
		if out.Miners, err = n.WindowMiners(ctx, run, window); err != nil {
			return out, err
		}
		out.Accusations, err = n.Accusations(ctx, run, window)
		return out, err
	})
}

// Audited returns a window with its audit seed, as the nodes agree on it; what comes to a
// window later is left out. See ErrDisagree and ErrBehind. auditStart is the window's: the block before it brought the beacon.
func (c *Client) Audited(ctx context.Context, run, window uint64, auditStart int64) (challengetypes.Window, error) {
	return agreed(ctx, c, auditStart-1, func(ctx context.Context, n *Client) (challengetypes.Window, error) {
		s, err := n.Window(ctx, run, window)
		// Set when the next window freezes and when this one closes, which a node that is ahead may know of.
		s.Window.EmissionEnd, s.Window.ClosedHeight, s.Window.VoidHeight, s.Window.VoidReason = 0, 0, 0, ""
		return s.Window, err
	})
}
