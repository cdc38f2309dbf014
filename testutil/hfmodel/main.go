// Command hfmodel writes a checkpoint of random weights as Hugging Face lays it
// out, in the shapes of a published model.
//
//	go run ./testutil/hfmodel -preset qwen2.5-0.5b -out DIR
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/galahad-network/galahad/rl/engine"
	"github.com/galahad-network/galahad/testutil/hfmodel/hf"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run() error {
	preset := flag.String("preset", "qwen2.5-0.5b", "shapes: "+strings.Join(hf.Presets(), ", "))
	out := flag.String("out", "", "folder to write")
	layers := flag.Int("layers", 0, "cut the depth to so many layers; 0 keeps it")
	vocab := flag.Int("vocab", 0, "cut the vocabulary to so many ids; 0 keeps it")
	dtype := flag.String("dtype", "BF16", "BF16, F16 or F32")
	shard := flag.Int64("shard-mib", 0, "split the weights into files of so many MiB; 0 writes one")
	seed := flag.Uint64("seed", 1, "seed of the weights")
	flag.Parse()
	if *out == "" || flag.NArg() > 0 {
		return fmt.Errorf("want -out DIR and no other argument; -help lists the flags")
	}
	m, err := hf.Preset(*preset)
	if err != nil {
		return err
	}
	if *layers > 0 {
		m = m.Layers(*layers)
	}
	if *vocab > 0 {
		m = m.Vocabulary(*vocab)
	}
	m.DType, m.ShardBytes, m.Seed = engine.DType(*dtype), *shard<<20, *seed
	if err := m.Write(*out); err != nil {
		return err
	}
	_, err = fmt.Printf("%s: %s, %d parameters, %s\n", *out, m.Config.Architecture, m.Config.Parameters(), m.DType)
	return err
}
