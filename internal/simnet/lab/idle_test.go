package lab_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dhtkit/dhtkit/internal/simnet/lab"
	"github.com/dhtkit/dhtkit/internal/simnet/swarm"
	"github.com/dhtkit/dhtkit/mainline"
)

// idle is a node in a network of 100,000, 40 % of whose contacts are dead and whose nodes leave.
func idle(t *testing.T, r lab.IdleRun) lab.IdleResult {
	t.Helper()
	r.Swarm, r.Churn = swarm.Config{Nodes: 100_000, Seed: 1, Skew: 4}, true
	res, err := lab.RunIdle(r)
	require.NoError(t, err)
	return res
}

func TestAnIdleNodeKeepsItsTableAlive(t *testing.T) {
	for _, c := range []struct {
		name  string
		cfg   mainline.Config
		table int
		bytes float64 // a day
	}{
		{"full", mainline.Config{}, 250, 15e6},
		{"read-only", mainline.Config{ReadOnly: true}, 80, 2e6},
	} {
		t.Run(c.name, func(t *testing.T) {
			res := idle(t, lab.IdleRun{For: 4 * time.Hour, Node: c.cfg})
			last := res.Points[len(res.Points)-1]
			live, day := res.LiveShare(time.Hour), res.BytesPerDay(time.Hour)
			t.Logf("%d nodes in the table, %.1f %% of them alive; %.2f MB a day; met %d, of which %d left", last.Table, 100*live, day/1e6, res.Met, res.Gone)
			require.Greater(t, last.Table, c.table)
			require.Greater(t, res.Gone, 40, "there is churn")
			require.GreaterOrEqual(t, live, 0.95)
			require.LessOrEqual(t, day, c.bytes)
			first := lab.IdleResult{Points: res.Points[:60]}
			require.GreaterOrEqual(t, first.LiveShare(5*time.Minute), 0.95, "in its first hour, too")
		})
	}
}

func TestAnHourWithoutLink(t *testing.T) {
	const down, up = 3 * time.Hour, 4 * time.Hour
	res := idle(t, lab.IdleRun{For: 5 * time.Hour, Down: down, Up: up})
	away, back := lab.IdleResult{Points: res.Points[185:240]}, lab.IdleResult{Points: res.Points[:250]}
	t.Logf("%.1f %% of the table kept; %.2f MB a day sent meanwhile; %.1f %% alive five minutes after", 100*res.Kept, away.BytesPerDay(0)/1e6, 100*back.LiveShare(up+5*time.Minute))
	require.GreaterOrEqual(t, res.Kept, 0.95, "no mass eviction")
	require.Less(t, away.BytesPerDay(0), 1e6, "it probes now and then")
	require.GreaterOrEqual(t, back.LiveShare(up+5*time.Minute), 0.95)
}

func TestFullNodesKeepEachOther(t *testing.T) {
	nodes := size(300, 60)
	run := lab.FleetRun{Nodes: nodes, Seed: 3, Boot: 10 * time.Minute, For: 90 * time.Minute, Churn: true, Firewalled: 0.4}
	res := fleet(t, run)
	gone, minutes := 0., 0
	for _, p := range res.Points {
		if p.At > time.Hour {
			gone, minutes = gone+p.Gone, minutes+1
		}
	}
	live := 1 - gone/float64(minutes)
	perDay := float64(res.Net.Bytes+28*res.Net.Sent) / float64(nodes) / res.Points[len(res.Points)-1].At.Hours() * 24
	t.Logf("%d nodes, 40 %% of them behind firewalls: %.1f %% of the contacts in tables alive; %.2f MB a day and node, answers included", nodes, 100*live, perDay/1e6)
	require.GreaterOrEqual(t, live, 0.95)
	require.LessOrEqual(t, perDay, 15e6)
}
