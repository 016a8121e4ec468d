"""Who will end a contract."""

from typing import Final

from .values import Output, Value

CONTRACT_CHURN: Final = Output(
    model="contract_churn",
    title="churn with a contract",
    about="the chance that a customer under contract ends it in the horizon, by how long it has run",
    nothing="No contract that ran on {as_of} had been recorded when the run began",
    observations="Touchpoints that began or ended a contract",
    values=(
        Value("end_probability", "rate", "Probability that the contract ends in the horizon", field="probability"),
        Value("contract_months", "count", "Whole months under contract", "always", field="months", unit="months"),
    ),
    example={"end_probability": 0.081204, "contract_months": 11, "observation_count": 1},
    empty="No contract that ran on {as_of} was found",
    of_purchases=False,
)
