/** How a criterion ended, worst first. NO DATA is a failure; NOT RUN and NOT APPLICABLE are none, and no success either. */
export const criterionStatuses = ['FAIL', 'NO DATA', 'NOT RUN', 'NOT APPLICABLE', 'PASS'] as const;
export type CriterionStatus = (typeof criterionStatuses)[number];
