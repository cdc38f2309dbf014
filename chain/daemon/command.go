package daemon

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// Program is a daemon's command line: its name, its settings and its commands.
type Program struct {
	Name     string // of the binary, such as galahad-miner
	Short    string // one line
	Long     string
	Settings Settings
	Folder   string // of the default home below the user's own, such as .galahad-miner
}

// Root is the program's command with --home, one flag for each setting, and
// `init`. It prints errors as one line and never the usage with them.
func (p Program) Root() (*cobra.Command, error) {
	root := &cobra.Command{
		Use: p.Name, Short: p.Short, Long: p.Long,
		SilenceUsage: true, SilenceErrors: true,
	}
	home := os.Getenv(p.Settings.EnvPrefix + "_HOME")
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			user = "."
		}
		home = filepath.Join(user, p.Folder)
	}
	root.PersistentFlags().String("home", home, "folder of settings, keys and data")
	if err := p.Settings.Flags(root.PersistentFlags()); err != nil {
		return nil, err
	}
	init := &cobra.Command{
		Use: "init", Short: "write a commented " + ConfigFile + " into the home folder", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			force, err := cmd.Flags().GetBool("force")
			if err != nil {
				return err
			}
			path, err := p.Settings.Init(Home(cmd), force)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "wrote %s\nedit it, then run: %s start --home %s\n", path, p.Name, Home(cmd))
			return err
		},
	}
	init.Flags().Bool("force", false, "write over an existing file")
	root.AddCommand(init)
	return root, nil
}

// Home is the value of --home.
func Home(cmd *cobra.Command) string {
	home, err := cmd.Flags().GetString("home")
	if err != nil {
		return "."
	}
	return home
}

// PrintStatus fetches /status of a running daemon and copies it to w.
func PrintStatus(ctx context.Context, w io.Writer, listen string) error {
	f := NewFetcher(FetchLimits{Timeout: 5 * time.Second, Stall: 5 * time.Second, AllowPrivate: true})
	defer f.Close()
	if strings.HasPrefix(listen, ":") || strings.HasPrefix(listen, "0.0.0.0:") {
		listen = "127.0.0.1:" + listen[strings.LastIndex(listen, ":")+1:]
	}
	text, err := f.ReadAll(ctx, "http://"+listen+"/status", 1<<20)
	if err != nil {
		return fmt.Errorf("no daemon answers on %s: %w; is it running, and is server.listen right?", listen, err)
	}
	_, err = w.Write(text)
	return err
}

// Execute runs a root command until it ends or a signal comes, and returns the
// exit status: 0, or 1 after an error on standard error.
func Execute(root *cobra.Command) int {
	ctx, stop := SignalContext()
	defer stop()
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	return 0
}
