package types

// The statuses of an accusation by short names; see AccusationStatus in rollout.proto for what each is.
const (
	AccusationPending   = AccusationStatus_ACCUSATION_STATUS_PENDING
	AccusationConfirmed = AccusationStatus_ACCUSATION_STATUS_CONFIRMED
	AccusationRefuted   = AccusationStatus_ACCUSATION_STATUS_REFUTED
	AccusationReturned  = AccusationStatus_ACCUSATION_STATUS_RETURNED
)

// Short is the status as people read it, such as "PENDING".
func (s AccusationStatus) Short() string {
	const prefix = len("ACCUSATION_STATUS_")
	name := s.String()
	if len(name) > prefix && name[:prefix] == "ACCUSATION_STATUS_" {
		return name[prefix:]
	}
	return name
}
