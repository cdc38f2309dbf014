// Package openapi serves the description of the node's REST routes.
//
// galahad.swagger.json is generated from proto/ by `make proto`; the viewer is
// the SDK's. The node serves both under /swagger/ when app.toml has
// api.swagger = true.
package openapi

import (
	_ "embed"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/cosmos/cosmos-sdk/client/docs"
)

//go:embed galahad.swagger.json
var spec []byte

// Spec returns the OpenAPI 2 document, JSON.
func Spec() []byte { return append([]byte(nil), spec...) }

// Register mounts the viewer under /swagger/ and the documents it shows: ours,
// and the SDK modules' under /swagger/sdk.yaml.
func Register(router *mux.Router) error {
	viewer, err := fs.Sub(docs.SwaggerUI, "swagger-ui")
	if err != nil {
		return fmt.Errorf("openapi: viewer: %w", err)
	}
	sdkSpec, err := fs.ReadFile(viewer, "swagger.yaml")
	if err != nil {
		return fmt.Errorf("openapi: the SDK's document: %w", err)
	}
	// The viewer loads swagger.yaml; JSON is YAML.
	router.HandleFunc("/swagger/swagger.yaml", serve("application/json", spec))
	router.HandleFunc("/swagger/galahad.swagger.json", serve("application/json", spec))
	router.HandleFunc("/swagger/sdk.yaml", serve("application/yaml", sdkSpec))
	router.PathPrefix("/swagger/").Handler(http.StripPrefix("/swagger/", http.FileServer(http.FS(viewer))))
	return nil
}

func serve(contentType string, body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body) // a client that hung up is no concern of ours
	}
}
