package testapp

import (
	"testing"

	"github.com/stretchr/testify/require"

	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
)

func TestEveryKeeperDeclaresAllItStores(t *testing.T) {
	c := New(t, WithoutReplica())
	stores, err := ModuleStores(c.App)
	require.NoError(t, err)
	require.Len(t, stores, 5)
	for _, s := range stores {
		require.NotEmpty(t, s.Collections, s.Module)
	}
}

// Keys that nobody can name stay for ever and are not exported.
func TestOrphanKeysAreNoticed(t *testing.T) {
	c := New(t, WithoutReplica(), WithoutTeardown())
	ctx := c.Context()
	require.NoError(t, orphanKeys(ctx, c.App))
	store := ctx.KVStore(c.App.StoreKey(challengetypes.StoreKey))
	for name, entry := range map[string]struct {
		key, value []byte
		want       string
	}{
		"no collection":         {[]byte{0xfe, 1}, []byte{1}, "belongs to no collection"},
		"a short key":           {append([]byte(challengetypes.RunsKey), 1, 2, 3), []byte{}, "collection runs"},
		"a long key":            {append([]byte(challengetypes.RunsKey), 0, 0, 0, 0, 0, 0, 0, 1, 9), []byte{}, "8 are read"},
		"behind an item":        {append([]byte(challengetypes.ParamsKey), 9), []byte{}, "an item has 1 bytes"},
		"a value of another":    {append([]byte(challengetypes.RunsKey), 0, 0, 0, 0, 0, 0, 0, 1), []byte{0xff}, "value"},
		"a value written badly": {append([]byte(challengetypes.RunsKey), 0, 0, 0, 0, 0, 0, 0, 1), []byte{8, 0}, "is encoded as"},
	} {
		t.Run(name, func(t *testing.T) {
			store.Set(entry.key, entry.value)
			require.ErrorContains(t, orphanKeys(ctx, c.App), entry.want)
			store.Delete(entry.key)
		})
	}
}
