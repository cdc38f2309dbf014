// Package page bounds the pages that queries return.
package page

import "github.com/cosmos/cosmos-sdk/types/query"

const (
	// MaxLimit is the most entries of a page. Who asks for more gets as many, and the
	// key of the next page.
	MaxLimit = 500
	// DefaultLimit is the number of entries for who does not ask for a number.
	DefaultLimit = 100
)

// Clamp returns the request to be carried out for req, which may be nil. It does not
// change req. Counting all entries, which walks over them whatever the page's size, is
// left to the gas limit of queries.
func Clamp(req *query.PageRequest) *query.PageRequest {
	out := query.PageRequest{}
	if req != nil {
		out = *req
	}
	switch {
	case out.Limit == 0:
		out.Limit = DefaultLimit
	case out.Limit > MaxLimit:
		out.Limit = MaxLimit
	}
	return &out
}
