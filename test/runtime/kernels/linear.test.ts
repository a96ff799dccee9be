import { testCases } from './expect-case.ts';
import { LINEAR_CASES } from './linear.cases.ts';

testCases(LINEAR_CASES);
