package testapp

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"cosmossdk.io/collections"

	sdk "github.com/cosmos/cosmos-sdk/types"

	"github.com/galahad-network/galahad/app"
	challengetypes "github.com/galahad-network/galahad/x/challenge/types"
	policytypes "github.com/galahad-network/galahad/x/policy/types"
	registrytypes "github.com/galahad-network/galahad/x/registry/types"
	rollouttypes "github.com/galahad-network/galahad/x/rollout/types"
	settlementtypes "github.com/galahad-network/galahad/x/settlement/types"
)

// ModuleStore is the store of one of this chain's own modules.
type ModuleStore struct {
	// Module is its name, which is also the store's key.
	Module string
	// Collections are all that may be in it.
	Collections []Collection
}

// Collection is one of a module's collections, seen without its types.
type Collection struct {
	Name   string
	Prefix []byte

	declared collections.Collection
	decode   reflect.Value // KeyCodec().Decode of a keyed one; the zero value for an item
}

// CheckKey decodes the part of a key behind the collection's prefix.
func (c Collection) CheckKey(rest []byte) error {
	if !c.decode.IsValid() {
		if len(rest) > 0 {
			return fmt.Errorf("an item has %d bytes behind its prefix", len(rest))
		}
		return nil
	}
	out := c.decode.Call([]reflect.Value{reflect.ValueOf(rest)})
	if err, _ := out[2].Interface().(error); err != nil {
		return err
	}
	if n := int(out[0].Int()); n != len(rest) {
		return fmt.Errorf("the key has %d bytes and %d are read", len(rest), n)
	}
	return nil
}

// CheckValue decodes a value; its encoding must be the one that the collection
// writes.
func (c Collection) CheckValue(value []byte) error {
	v, err := c.declared.ValueCodec().Decode(value)
	if err != nil {
		return err
	}
	again, err := c.declared.ValueCodec().Encode(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, value) {
		return fmt.Errorf("%X is encoded as %X", value, again)
	}
	return nil
}

// ModuleStores are the stores of this chain's own modules, in the order of
// app.GalahadKeepers. A collection whose keys cannot be decoded, because the keeper
// does not export it, is an error.
func ModuleStores(a *app.App) ([]ModuleStore, error) {
	names := []string{
		challengetypes.StoreKey, registrytypes.StoreKey, policytypes.StoreKey, rollouttypes.StoreKey, settlementtypes.StoreKey,
	}
	var out []ModuleStore
	for i, k := range a.GalahadKeepers() {
		keeper := reflect.ValueOf(k).Elem()
		schema, ok := keeper.FieldByName("Schema").Interface().(collections.Schema)
		if !ok {
			return nil, fmt.Errorf("module %s: the keeper has no Schema", names[i])
		}
		decoders := map[string]reflect.Value{}
		for f := range keeper.NumField() {
			if keeper.Type().Field(f).IsExported() {
				keyDecoders(keeper.Field(f), decoders)
			}
		}
		s := ModuleStore{Module: names[i]}
		for _, c := range schema.ListCollections() {
			decode, ok := decoders[c.GetName()]
			if !ok {
				return nil, fmt.Errorf("module %s: collection %s is in the schema, but not a field of the keeper", names[i], c.GetName())
			}
			s.Collections = append(s.Collections, Collection{Name: c.GetName(), Prefix: c.GetPrefix(), declared: c, decode: decode})
		}
		out = append(out, s)
	}
	return out, nil
}

// keyDecoders finds the decoders of a collection's keys and those of its indexes,
// by name; an item's is the zero value. Collections are generic: what they have in
// common is only how they are built.
func keyDecoders(v reflect.Value, decoders map[string]reflect.Value) {
	name, ok := collectionName(v)
	if !ok {
		return
	}
	decoders[name] = reflect.Value{}
	if codec := v.MethodByName("KeyCodec"); codec.IsValid() {
		decoders[name] = codec.Call(nil)[0].MethodByName("Decode")
	}
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	indexes := v.FieldByName("Indexes") // of an indexed map
	for indexes.IsValid() && indexes.Kind() == reflect.Pointer {
		indexes = indexes.Elem()
	}
	if !indexes.IsValid() || indexes.Kind() != reflect.Struct {
		return
	}
	for i := range indexes.NumField() {
		if indexes.Type().Field(i).IsExported() {
			keyDecoders(indexes.Field(i), decoders)
		}
	}
}

// collectionName is the name of a collection, or of the one that it wraps.
func collectionName(v reflect.Value) (string, bool) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || !strings.HasPrefix(v.Type().PkgPath(), "cosmossdk.io/collections") {
		return "", false
	}
	if name := v.FieldByName("name"); name.IsValid() && name.Kind() == reflect.String {
		return name.String(), true
	}
	for i := range v.NumField() {
		if name, ok := collectionName(v.Field(i)); ok {
			return name, true
		}
	}
	return "", false
}

// orphanKeys reports keys of the modules' stores that no collection owns, and
// entries that do not decode.
func orphanKeys(ctx sdk.Context, a *app.App) error {
	stores, err := ModuleStores(a)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range stores {
		errs = append(errs, s.check(ctx, a))
	}
	return errors.Join(errs...)
}

func (s ModuleStore) check(ctx sdk.Context, a *app.App) (err error) {
	it := ctx.KVStore(a.StoreKey(s.Module)).Iterator(nil, nil)
	defer func() { err = errors.Join(err, it.Close()) }()
	for ; it.Valid(); it.Next() {
		if err := s.checkEntry(it.Key(), it.Value()); err != nil {
			return fmt.Errorf("module %s: key %X: %w", s.Module, it.Key(), err)
		}
	}
	return nil
}

func (s ModuleStore) checkEntry(key, value []byte) error {
	for _, c := range s.Collections {
		rest, ok := bytes.CutPrefix(key, c.Prefix)
		if !ok {
			continue
		}
		if err := c.CheckKey(rest); err != nil {
			return fmt.Errorf("collection %s: %w", c.Name, err)
		}
		if err := c.CheckValue(value); err != nil {
			return fmt.Errorf("collection %s: value: %w", c.Name, err)
		}
		return nil
	}
	return errors.New("it belongs to no collection")
}
