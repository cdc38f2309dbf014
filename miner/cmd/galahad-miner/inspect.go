package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/galahad-network/galahad/rl/checkpoint"
	"github.com/galahad-network/galahad/rl/inspect"
)

// errRefused makes the exit status 1 for a model that cannot be run.
var errRefused = errors.New("the model is refused; see the table")

func inspectCommand() *cobra.Command {
	var opt inspect.Options
	var output string
	var skip, adopt bool
	cmd := &cobra.Command{
		Use:   "inspect MODEL_DIR",
		Short: "say what a model's folder holds, what it needs, and how fast it is here",
		Long: `inspect reads a folder in Hugging Face's layout (config.json, tokenizer.json, safetensors in one file or in shards) and
prints what the engine understands: architecture, parameters, memory, tokenizer, the digest as a checkpoint, and the
speed of this machine: prefill of 256 tokens, and decode of one sequence and of eight. What was sampled is then replayed
as graders do. Whatever cannot be run is refused by name; the exit status is 0 only if nothing is.

With --adopt a folder without a manifest.json gets one, and is a checkpoint then, which "galahad-validator verify
--checkpoint" and the daemons take.`,
		Example: "  galahad-miner inspect ~/models/Qwen2.5-0.5B-Instruct\n" +
			"  galahad-miner inspect ~/models/Llama-3.2-1B --no-speed --output json",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return fmt.Errorf("--output must be text or json, not %q", output)
			}
			opt.Measure = !skip
			p := newStages(cmd.ErrOrStderr())
			defer p.end()
			opt.Progress = p.at
			r, err := inspect.Run(cmd.Context(), args[0], opt)
			if err != nil {
				return err
			}
			if adopt && !r.Manifest && len(r.Refused) == 0 {
				if _, err := checkpoint.Adopt(args[0], func(done, total int64) { p.at("writing the manifest", done, total) }); err != nil {
					return err
				}
				r.Manifest = true
			}
			p.end()
			if err := printReport(cmd.OutOrStdout(), output, r); err != nil {
				return err
			}
			if len(r.Refused) > 0 {
				return errRefused
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&skip, "no-speed", false, "do not load the weights and measure")
	flags.BoolVar(&adopt, "adopt", false, "write manifest.json where there is none and nothing is refused")
	flags.IntVar(&opt.Threads, "threads", 0, "threads; 0: one per core")
	flags.StringVar(&output, "output", "text", "text or json")
	return cmd
}

func printReport(w io.Writer, output string, r *inspect.Report) error {
	if output == "json" {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("folder", "%s", r.Folder)
	if m := r.Model; m != nil {
		printModel(row, m)
	}
	if k := r.Tokenizer; k != nil {
		bos := "none"
		if k.BOS != nil {
			bos = fmt.Sprint(*k.BOS)
		}
		row("tokenizer", "%s, %s ids, bos %s, eos %d, ends a text with %s", k.Kind, thousands(int64(k.Ids)), bos, k.EOS, list(k.EndTokens))
	}
	if r.Digest != "" {
		row("digest", "%s", r.Digest)
		if !r.Manifest {
			row("", "there is no manifest.json; this is what the digest will be (--adopt writes one)")
		}
	}
	row("kernel", "%s, threads %d", r.Kernel, r.Threads)
	if s := r.Speed; s != nil {
		row("load", "%.1f s", s.LoadSeconds)
		row("prefill", "%s tokens/s, prompt of %d", speed(s.Prefill), s.PrefillTokens)
		row("decode", "%s tokens/s alone, %s tokens/s eight side by side", speed(s.Decode1), speed(s.Decode8))
		if s.Exact {
			row("replay", "%d tokens sampled and replayed: the same, to the bit", s.Replayed)
		}
	}
	for _, n := range r.Notes {
		row("note", "%s", n)
	}
	for _, x := range r.Refused {
		row("REFUSED", "%s: %s", x.What, x.Reason)
		row("", "what to do: %s", x.Do)
	}
	return t.Flush()
}

func printModel(row func(name, format string, args ...any), m *inspect.Model) {
	tied := "embeddings tied"
	if !m.TiedEmbeddings {
		tied = "embeddings untied"
	}
	row("architecture", "%s: %d layers, hidden %d, MLP %d, %d heads of %d (%d for keys and values), vocabulary %s, %s",
		m.Architecture, m.Layers, m.HiddenSize, m.IntermediateSize, m.Heads, m.HeadDim, m.KeyValueHeads, thousands(int64(m.Vocabulary)), tied)
	row("parameters", "%s", thousands(m.Parameters))
	var types []string
	for dtype := range m.Stored {
		types = append(types, dtype)
	}
	slices.Sort(types)
	files := "1 file"
	if m.Files > 1 {
		files = fmt.Sprintf("%d files", m.Files)
	}
	row("weights", "%s, %s, %s", strings.Join(types, " and "), files, inspect.Bytes(m.FileBytes))
	row("memory", "%s for weights, %s of keys and values per 1000 positions", inspect.Bytes(m.WeightBytes), inspect.Bytes(m.CacheBytes))
	scaling := ""
	if s := m.RopeScaling; s != nil {
		scaling = fmt.Sprintf(", scaled by %g from %s (llama3)", s.Factor, thousands(int64(s.OriginalMaxPositionEmbeddings)))
	}
	row("context", "%s positions, RoPE theta %g%s", thousands(int64(m.Context)), m.RopeTheta, scaling)
	if len(m.EndTokens) > 0 {
		row("end tokens", "%s, as config.json and generation_config.json have them", list(m.EndTokens))
	}
}

func list(ids []int32) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = fmt.Sprint(id)
	}
	return strings.Join(s, ", ")
}

// speed writes tokens a second with three digits.
func speed(x float64) string {
	if x >= 100 {
		return thousands(int64(x + 0.5))
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
