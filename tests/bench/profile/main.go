// A k6 whose scripts can profile their JavaScript by function: `start(file)` and `stop()` of k6/x/profile.
package main

import (
	"os"

	"github.com/grafana/sobek"
	"go.k6.io/k6/v2/cmd"
	"go.k6.io/k6/v2/js/modules"
)

type profile struct{ file *os.File }

// Start begins a profile, in pprof's format. A VU is in it from its next iteration.
func (p *profile) Start(name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	p.file = file
	return sobek.StartProfile(file)
}

// Stop writes the profile.
func (p *profile) Stop() error {
	sobek.StopProfile()
	return p.file.Close()
}

func main() {
	modules.Register("k6/x/profile", new(profile))
	cmd.Execute()
}
