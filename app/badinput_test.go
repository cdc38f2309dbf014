package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cosmos/gogoproto/proto"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	errorsmod "cosmossdk.io/errors"
	sdkmath "cosmossdk.io/math"

	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"

	"github.com/galahad-network/galahad/app"
	testapp "github.com/galahad-network/galahad/testutil/app"
)

// services are the Msg services of this chain's own modules.
var services = []string{
	"galahad.challenge.v1.Msg", "galahad.registry.v1.Msg", "galahad.policy.v1.Msg", "galahad.rollout.v1.Msg", "galahad.settlement.v1.Msg",
}

// messageTypes are the Go types of all messages of our modules, by their full name,
// found in the services' descriptors.
func messageTypes(t testing.TB) map[string]reflect.Type {
	t.Helper()
	out := map[string]reflect.Type{}
	for _, name := range services {
		d, err := proto.HybridResolver.FindDescriptorByName(protoreflect.FullName(name))
		require.NoError(t, err)
		methods := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			full := string(methods.Get(i).Input().FullName())
			typ := proto.MessageType(full)
			require.NotNil(t, typ, full)
			out[full] = typ.Elem()
		}
	}
	require.Greater(t, len(out), 15)
	return out
}

// must says what has to become of a mutated message.
type must int

const (
	// refuse: a typed error and an unchanged state.
	refuse must = iota
	// answer: success, or a typed error and an unchanged state; the value may be
	// valid, as an empty text or the largest number can be.
	answer
)

// mutation is a message with one field changed.
type mutation struct {
	name string // Message.field.path: what was done
	msg  sdk.Msg
	must must
}

// mutations are a message's, for every field of it and of what it holds.
func mutations(base sdk.Msg) []mutation {
	var out []mutation
	name := string(proto.MessageName(base))
	signer := signerField(name)
	visit(reflect.ValueOf(base).Elem(), descriptor(name), name, func(path string, field reflect.Value, address bool, is must) {
		// Changes are made in place, copied, and undone.
		for _, c := range changes(field, address) {
			old := reflect.New(field.Type()).Elem()
			old.Set(field)
			field.Set(c.value)
			cp := clone(base)
			field.Set(old)
			if cp == nil {
				continue
			}
			m := mutation{name: path + ": " + c.what, msg: cp, must: max(c.must, is)}
			if path == name+"."+signer && c.what == "another's" {
				continue // who signs is who acts: TestAudit_E29 has it
			}
			out = append(out, m)
		}
	})
	return out
}

func descriptor(full string) protoreflect.MessageDescriptor {
	d, err := proto.HybridResolver.FindDescriptorByName(protoreflect.FullName(full))
	if err != nil {
		return nil
	}
	m, _ := d.(protoreflect.MessageDescriptor)
	return m
}

// visit calls f for each field of a message, in depth. Below the parameters of a
// module or a run, whose rules their own tests hold, a value may be valid.
func visit(v reflect.Value, d protoreflect.MessageDescriptor, path string, f func(path string, field reflect.Value, address bool, is must)) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		tag := sf.Tag.Get("protobuf")
		if tag == "" {
			continue
		}
		var name string
		for _, part := range strings.Split(tag, ",") {
			if n, ok := strings.CutPrefix(part, "name="); ok {
				name = n
			}
		}
		at := path + "." + name
		is := refuse
		if strings.Contains(strings.ToLower(at), "params.") {
			is = answer
		}
		var fd protoreflect.FieldDescriptor
		if d != nil {
			fd = d.Fields().ByName(protoreflect.Name(name))
		}
		f(at, v.Field(i), isAddress(fd), is)
		below := v.Field(i)
		for below.Kind() == reflect.Pointer && !below.IsNil() {
			below = below.Elem()
		}
		if below.Kind() == reflect.Slice && below.Len() > 0 && below.Type().Elem().Kind() == reflect.Struct {
			below = below.Index(0)
		}
		if below.Kind() == reflect.Struct && below.Addr().Type().Implements(reflect.TypeFor[proto.Message]()) && fd != nil && fd.Message() != nil {
			visit(below, fd.Message(), at, f)
		}
	}
}

// isAddress reads the scalar annotation.
func isAddress(fd protoreflect.FieldDescriptor) bool {
	if fd == nil || fd.Kind() != protoreflect.StringKind {
		return false
	}
	return strings.Contains(fmt.Sprint(fd.Options()), "AddressString")
}

type change struct {
	what  string
	value reflect.Value
	must  must
}

var (
	typeInt      = reflect.TypeFor[sdkmath.Int]()
	typeDuration = reflect.TypeFor[time.Duration]()
)

// changes are the bad values for a field, and values that may or may not be bad.
func changes(field reflect.Value, address bool) []change {
	val := func(x any) reflect.Value { return reflect.ValueOf(x).Convert(field.Type()) }
	switch {
	case address:
		return addressChanges(field)
	case field.Type() == typeInt:
		huge := sdkmath.NewIntWithDecimal(1, 76)
		return []change{
			{"nil", reflect.ValueOf(sdkmath.Int{}), refuse}, {"negative", val(sdkmath.NewInt(-1)), refuse},
			{"very negative", val(huge.Neg()), refuse}, {"zero", val(sdkmath.ZeroInt()), answer}, {"huge", val(huge), answer},
		}
	case field.Type() == typeDuration:
		return []change{
			{"negative", val(time.Duration(-1)), refuse}, {"zero", val(time.Duration(0)), answer}, {"huge", val(time.Duration(math.MaxInt64)), answer},
		}
	}
	switch field.Kind() {
	case reflect.String:
		return []change{
			{"empty", val(""), answer}, {"oversized", val(strings.Repeat("http://x/", 8000)), refuse},
			{"not UTF-8", val("http://\xff\xfe"), refuse}, {"control", val("http://a\x00\n\x1b[31m"), refuse},
		}
	case reflect.Uint32:
		return []change{{"zero", val(uint32(0)), answer}, {"largest", val(uint32(math.MaxUint32)), answer}}
	case reflect.Uint64:
		return []change{{"zero", val(uint64(0)), answer}, {"largest", val(uint64(math.MaxUint64)), answer}}
	case reflect.Int32: // enumerations
		return []change{{"unknown", val(int32(1000)), refuse}, {"negative", val(int32(-1)), refuse}, {"zero", val(int32(0)), answer}}
	case reflect.Int64:
		return []change{{"negative", val(int64(-1)), answer}, {"smallest", val(int64(math.MinInt64)), answer}, {"largest", val(int64(math.MaxInt64)), answer}}
	case reflect.Slice:
		return sliceChanges(field)
	case reflect.Pointer:
		return []change{{"nil", reflect.Zero(field.Type()), answer}}
	case reflect.Struct:
		return []change{{"empty", reflect.Zero(field.Type()), answer}}
	}
	return nil
}

func addressChanges(field reflect.Value) []change {
	s := field.String()
	raw := bytes.Repeat([]byte{9}, 20)
	foreign, _ := sdk.Bech32ifyAddressBytes("cosmos", raw)
	other := testapp.NewAccount("somebody else").String()
	if strings.HasPrefix(s, "galahadvaloper") {
		other = sdk.ValAddress(testapp.NewAccount("somebody else").Address).String()
	}
	wrongKind := sdk.ValAddress(raw).String()
	if strings.HasPrefix(s, "galahadvaloper") {
		wrongKind = sdk.AccAddress(raw).String()
	}
	var out []change
	for what, text := range map[string]string{
		"nil": "", "UPPER": strings.ToUpper(s), "MiXed": "GaLaHaD" + strings.TrimPrefix(s, "galahad"), "another chain's": foreign,
		"another kind's": wrongKind, "of 32 bytes": sdk.AccAddress(bytes.Repeat([]byte{9}, 32)).String(),
		"oversized": "galahad1" + strings.Repeat("q", 5000), "blank": " ",
	} {
		out = append(out, change{what, reflect.ValueOf(text), refuse})
	}
	slices.SortFunc(out, func(a, b change) int { return strings.Compare(a.what, b.what) })
	return append(out, change{"another's", reflect.ValueOf(other), answer})
}

func sliceChanges(field reflect.Value) []change {
	typ := field.Type()
	out := []change{{"nil", reflect.Zero(typ), answer}, {"empty", reflect.MakeSlice(typ, 0, 0), answer}}
	if typ.Elem().Kind() == reflect.Uint8 {
		b := field.Bytes()
		if len(b) > 0 {
			out = append(out, change{"one byte short", reflect.ValueOf(b[:len(b)-1]).Convert(typ), refuse})
		}
		return append(out,
			change{"one byte long", reflect.ValueOf(append(slices.Clone(b), 0)).Convert(typ), refuse},
			change{"oversized", reflect.ValueOf(bytes.Repeat([]byte{1}, 100_000)).Convert(typ), refuse})
	}
	if field.Len() > 0 {
		twice := reflect.AppendSlice(reflect.MakeSlice(typ, 0, 2*field.Len()), field)
		out = append(out, change{"every element twice", reflect.AppendSlice(twice, field), refuse})
		many := reflect.MakeSlice(typ, 0, 0)
		for range 20_000 {
			many = reflect.Append(many, field.Index(0))
		}
		out = append(out, change{"oversized", many, refuse})
	}
	if field.Len() > 1 {
		back := reflect.MakeSlice(typ, 0, field.Len())
		for i := field.Len() - 1; i >= 0; i-- {
			back = reflect.Append(back, field.Index(i))
		}
		out = append(out, change{"backwards", back, answer})
	}
	return out
}

// clone copies a message through its encoding, except where that would mend it: a
// missing amount is only possible in memory and on the wire.
func clone(m sdk.Msg) sdk.Msg {
	v := reflect.New(reflect.TypeOf(m).Elem())
	v.Elem().Set(reflect.ValueOf(m).Elem())
	return deepCopy(v).Interface().(sdk.Msg)
}

func deepCopy(v reflect.Value) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		out := reflect.New(v.Type().Elem())
		out.Elem().Set(deepCopy(v.Elem()))
		return out
	case reflect.Struct:
		out := reflect.New(v.Type()).Elem()
		out.Set(v)
		if v.Type() == typeInt {
			return out
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(deepCopy(v.Field(i)))
			}
		}
		return out
	case reflect.Slice:
		if v.IsNil() {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(deepCopy(v.Index(i)))
		}
		return out
	}
	return v
}

// signerField is the name of the field whose account signs a message.
func signerField(full string) string {
	d := descriptor(full)
	if d == nil {
		return ""
	}
	text := fmt.Sprint(d.Options())
	_, after, _ := strings.Cut(text, "[cosmos.msg.v1.signer]:")
	after = strings.TrimLeft(after, " [\"")
	end := strings.IndexAny(after, "\"] ")
	if end < 0 {
		return after
	}
	return after[:end]
}

// run passes a message to its handler on a branch of the state, as the application
// does behind the ante handler, and turns a panic into an error that no module may
// return.
func handle(c *testapp.Chain, ctx sdk.Context, msg sdk.Msg) (err error) {
	handler := c.App.MsgServiceRouter().Handler(msg)
	if handler == nil {
		return errors.New("no handler")
	}
	defer func() {
		if r := recover(); r != nil {
			err = errorsmod.Wrapf(sdkerrors.ErrPanic, "%v", r)
		}
	}()
	_, err = handler(ctx, msg)
	return err
}

// typed reports why err is not an error that a client can tell from others.
func typed(err error) error {
	codespace, code, _ := errorsmod.ABCIInfo(err, false)
	switch {
	case codespace == errorsmod.UndefinedCodespace:
		return fmt.Errorf("it is in no codespace: %w", err)
	case code < 2:
		return fmt.Errorf("code %d of %s: %w", code, codespace, err)
	case codespace == sdkerrors.ErrPanic.Codespace() && code == sdkerrors.ErrPanic.ABCICode():
		return fmt.Errorf("it was a panic: %w", err)
	}
	return nil
}

// modulesHash covers the stores of our modules and the balances.
func modulesHash(t testing.TB, a *app.App, ctx sdk.Context) string {
	t.Helper()
	stores, err := testapp.ModuleStores(a)
	require.NoError(t, err)
	names := []string{"bank"}
	for _, s := range stores {
		names = append(names, s.Module)
	}
	h := newHash()
	for _, name := range names {
		it := ctx.KVStore(a.StoreKey(name)).Iterator(nil, nil)
		for ; it.Valid(); it.Next() {
			h.put([]byte(name), it.Key(), it.Value())
		}
		require.NoError(t, it.Close())
	}
	return h.String()
}

// accepted are values that must be refused in general and are right for a field.
var accepted = map[string]string{}

// writesFirst are messages whose handlers write before their last check, which the
// transaction undoes: TestAudit_F47 holds that it does.
var writesFirst = map[string]bool{
	"galahad.challenge.v1.MsgCreateRun": true, // policy checks and stores the base of a run that exists
}

// excused says whether a mutation that was accepted may be.
func excused(name string) bool {
	_, ok := accepted[name]
	return ok
}

func TestAudit_E28_BadInputIsRefusedWithATypedError(t *testing.T) {
	types := messageTypes(t)
	tried, refused := 0, 0
	based := map[string]bool{}
	for _, m := range moments(t) {
		for _, b := range m.bases() {
			name := string(proto.MessageName(b.msg))
			based[name] = true
			ctx, _ := m.next().CacheContext()
			if b.prepare != nil {
				b.prepare(ctx)
			}
			before := modulesHash(t, m.App, ctx)
			branch, _ := ctx.CacheContext()
			if err := handle(m.Chain, branch, b.msg); err != nil {
				t.Errorf("the base of %s at %q must be valid: %v", name, m.name, err)
				continue
			}
			require.Equal(t, before, modulesHash(t, m.App, ctx))
			for _, x := range mutations(b.msg) {
				tried++
				branch, _ := ctx.CacheContext()
				err := handle(m.Chain, branch, x.msg)
				if err == nil {
					if x.must == refuse && !excused(x.name) {
						t.Errorf("%s was accepted", x.name)
					}
					continue
				}
				refused++
				if bad := typed(err); bad != nil {
					t.Errorf("%s: %v", x.name, bad)
				}
				if after := modulesHash(t, m.App, branch); after != before && !writesFirst[name] {
					t.Errorf("%s: refused with %v, but the state has changed", x.name, err)
				}
			}
		}
	}
	t.Logf("%d mutations of %d messages, %d refused", tried, len(based), refused)
	for name := range types {
		if !based[name] {
			t.Errorf("%s has no valid base message in moments", name)
		}
	}
}

// What a handler refuses by itself must also be refused within a transaction of
// several messages and through authz, all or nothing, and must leave our modules as a
// block without transactions does. Blocks run on three instances, and CheckTx is
// compared, too.
func TestAudit_F47_BadInputInTransactionsAndThroughAuthz(t *testing.T) {
	for i, m := range moments(t) {
		twin := moments(t, testapp.WithoutReplica(), testapp.WithoutTeardown())[i]
		var raw [][]byte
		var names []string
		for _, b := range m.bases() {
			if b.signer == nil || b.prepare != nil {
				continue // governance's, and what no transaction comes to
			}
			for k, x := range mutations(b.msg) {
				branch, _ := m.next().CacheContext()
				if handle(m.Chain, branch, x.msg) == nil {
					continue
				}
				good := send(b.signer, b.signer, 1)
				switch k % 3 {
				case 0:
					raw = append(raw, m.rawTx(b.signer, good, x.msg, good))
				case 1:
					raw = append(raw, m.rawTx(b.signer, m.exec(b.signer, x.msg)))
				case 2:
					other := m.somebodyElse(b)
					raw = append(raw, m.rawTx(other, m.exec(other, b.msg))) // nobody has granted it
				}
				names = append(names, x.name)
			}
		}
		res := m.Block(time.Second, raw...)
		for k, r := range res.TxResults {
			if r.Code == 0 {
				t.Errorf("%s: accepted in a transaction", names[k])
			} else if bad := typed(testapp.TxError(r)); bad != nil {
				t.Errorf("%s: %v", names[k], bad)
			}
		}
		twin.NextBlock()
		require.Equal(t, modulesHash(t, twin.App, twin.Context()), modulesHash(t, m.App, m.Context()),
			"%s: a block of %d refused transactions is not like one without", m.name, len(raw))
		t.Logf("%s: %d transactions refused", m.name, len(raw))
	}
}

// A message acts for the account that signs it: another's signature is refused,
// whatever the message.
func TestAudit_E29_TheSignerIsTheActor(t *testing.T) {
	for name := range messageTypes(t) {
		require.NotEmpty(t, signerField(name), "%s names no signer", name)
	}
	for _, m := range moments(t, testapp.WithoutTeardown()) {
		var raw [][]byte
		var names []string
		for _, b := range m.bases() {
			raw = append(raw, m.rawTx(m.somebodyElse(b), b.msg))
			names = append(names, string(proto.MessageName(b.msg)))
		}
		for i, r := range m.Block(time.Second, raw...).TxResults {
			require.NotZero(t, r.Code, names[i])
			require.NoError(t, typed(testapp.TxError(r)), names[i])
		}
	}
}

// Amounts arrive as text. What is not a positive whole number is refused while the
// transaction is decoded, or as a typed error. (The SDK also reads a sign, hexadecimal
// digits and underscores between digits: other ways to write the same number.)
func TestAudit_B15_AmountsThatAreNoNumbers(t *testing.T) {
	m := moments(t)[0]
	var raw [][]byte
	var names []string
	for _, b := range m.bases() {
		if b.signer == nil {
			continue
		}
		v := reflect.ValueOf(b.msg).Elem()
		for i := range v.NumField() {
			if v.Field(i).Type() != typeInt {
				continue
			}
			number := fieldNumber(v.Type().Field(i))
			for _, text := range []string{
				"", "-0", "-1", "1e999", "1e3", "1.0", "1.000000000000000001", " 1", "1 ", "٣", "１", "NaN", "Inf",
				strings.Repeat("9", 78), strings.Repeat("9", 5000), "1agal", "\x00",
			} {
				encoded, err := proto.Marshal(b.msg)
				require.NoError(t, err)
				raw = append(raw, m.rawTxOf(b.signer, sdk.MsgTypeURL(b.msg), replaceField(t, encoded, number, []byte(text))))
				names = append(names, fmt.Sprintf("%s.%s = %.20q", proto.MessageName(b.msg), v.Type().Field(i).Name, text))
			}
		}
	}
	require.NotEmpty(t, raw)
	before := m.Height()
	for i, r := range m.Block(time.Second, raw...).TxResults {
		require.NotZero(t, r.Code, names[i])
		require.NoError(t, typed(testapp.TxError(r)), names[i])
	}
	require.Equal(t, before+1, m.Height())
	t.Logf("%d texts", len(raw))
}

func fieldNumber(f reflect.StructField) protowire.Number {
	var n int
	_, _ = fmt.Sscanf(strings.Split(f.Tag.Get("protobuf"), ",")[1], "%d", &n)
	return protowire.Number(n)
}

// replaceField sets a field of bytes in an encoded message.
func replaceField(t testing.TB, encoded []byte, number protowire.Number, value []byte) []byte {
	t.Helper()
	var out []byte
	for rest := encoded; len(rest) > 0; {
		num, _, n := protowire.ConsumeField(rest)
		require.Positive(t, n)
		if num != number {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	out = protowire.AppendTag(out, number, protowire.BytesType)
	return protowire.AppendBytes(out, value)
}
