package engine

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMapReplacesTensorsAndRefusesBadOnes(t *testing.T) {
	m, err := InitModel(shippedConfig(), [32]byte{1})
	require.NoError(t, err)
	doubled, err := m.Map(func(_ string, _ []int, data []float32) []float32 {
		for i := range data {
			data[i] *= 2
		}
		return data
	})
	require.NoError(t, err)
	for _, s := range m.specs {
		old, shape := m.Tensor(s.name)
		now, _ := doubled.Tensor(s.name)
		require.Equal(t, s.shape, shape)
		for i := range old {
			require.Equal(t, 2*old[i], now[i], "%s %d", s.name, i)
		}
	}
	var bad *TensorError
	_, err = m.Map(func(_ string, _ []int, data []float32) []float32 { return data[1:] })
	require.ErrorAs(t, err, &bad)
	_, err = m.Map(func(name string, _ []int, data []float32) []float32 {
		if name == normName {
			data[3] = float32(math.NaN())
		}
		return data
	})
	require.ErrorAs(t, err, &bad)
	require.Equal(t, normName, bad.Tensor)
}
